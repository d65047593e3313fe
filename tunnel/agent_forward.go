package tunnel

import (
	"cmp"
	"context"
	"net"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// agentChannel is what a server opens for a program that wants our agent (OpenSSH PROTOCOL.agent, §2).
const agentChannel = "auth-agent@openssh.com"

// maxAgentConns bounds the conversations with the agent that a server may have with us at once.
const maxAgentConns = 64

// agentForward lets programs at the server reach our agent. The zero value does not.
type agentForward struct {
	path  string      // of the socket; empty: none is forwarded. Set before a session is opened
	asked atomic.Bool // a session of ours asked for it: until then the server has no reason to open anything
	open  atomic.Int32
	count counter
}

// agentOf returns the socket of the agent that the options have forwarded; empty: none is.
func agentOf(o *config.Options) string {
	if !o.Session.ForwardAgent {
		return ""
	}
	return cmp.Or(o.Session.AgentSocket, o.IdentityAgent)
}

// offered reports whether the server may open agentChannel.
func (a *agentForward) offered() bool { return a.asked.Load() && a.path != "" }

// serveAgent joins a channel and the agent. It leaves the place in the end.
func (s *Session) serveAgent(ctx context.Context, raw ssh.NewChannel, place *place) {
	defer place.leave()
	defer s.agent.open.Add(-1)
	if s.agent.open.Add(1) > maxAgentConns {
		s.reject(raw, ssh.ResourceShortage, "too many connections to the agent")
		return
	}
	dialer := net.Dialer{Timeout: localDialTime}
	conn, err := dialer.DialContext(ctx, "unix", s.agent.path)
	if err != nil {
		s.log.Debug("agent not forwarded", "err", err)
		s.reject(raw, ssh.ConnectionFailed, refusalText(err))
		return
	}
	agent := resettable(conn.(stream))
	ch, err := arrival{raw, place, func() {}}.accept()
	if err != nil {
		reset(agent)
		return
	}
	(&splice{agent, ch, &s.agent.count, nil}).run(ctx)
}

// SendRequest notes that the server is asked to forward our agent.
func (c *sessionChannel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if name == "auth-agent-req@openssh.com" {
		c.session.agent.asked.Store(true)
	}
	return c.channel.SendRequest(name, wantReply, payload)
}
