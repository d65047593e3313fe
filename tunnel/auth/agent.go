package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/tunneld/tunneld/config/foreign"
)

// How long an agent may take. Signing may need a touch or a "yes" from a person; sshd gives them two minutes as well
// (LoginGraceTime).
const (
	agentTimeout     = 5 * time.Second
	agentSignTimeout = 2 * time.Minute
)

// agentConnection is one conversation with an ssh-agent, for one authentication. The next dials again, because x/crypto's client
// is dead for good once its agent has gone away (agent/client.go, pipeline.shutdown), and an agent that is started again listens
// on the same path.
type agentConnection struct {
	path   string
	conn   io.ReadWriteCloser
	client agent.ExtendedAgent
}

// agentKey is a key that an agent holds.
type agentKey struct {
	public  ssh.PublicKey
	comment foreign.Text
}

// dialAgent connects to the agent at path. The caller closes the result.
func dialAgent(ctx context.Context, path string) (*agentConnection, error) {
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return nil, err
	}
	return &agentConnection{path: path, conn: conn, client: agent.NewClient(conn)}, nil
}

// dialUnix connects to a Unix socket.
func dialUnix(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	dialer := net.Dialer{Timeout: agentTimeout}
	return dialer.DialContext(ctx, "unix", path)
}

// keys lists what the agent holds, in its order. Keys of types that x/crypto does not know are left out.
func (g *agentConnection) keys(ctx context.Context) ([]agentKey, error) {
	var listed []*agent.Key
	err := g.within(ctx, agentTimeout, func() (err error) {
		listed, err = g.client.List()
		return err
	})
	if err != nil {
		return nil, err
	}
	var keys []agentKey
	for _, k := range listed {
		public, err := ssh.ParsePublicKey(k.Blob)
		if err != nil {
			continue
		}
		keys = append(keys, agentKey{public: public, comment: foreign.Line(k.Comment)})
	}
	return keys, nil
}

// sign has the agent sign data with the private half of key. It may wait for a person at the agent.
func (g *agentConnection) sign(ctx context.Context, key ssh.PublicKey, data []byte, algorithm string) (*ssh.Signature, error) {
	var flags agent.SignatureFlags
	switch algorithm {
	case ssh.KeyAlgoRSASHA256:
		flags = agent.SignatureFlagRsaSha256
	case ssh.KeyAlgoRSASHA512:
		flags = agent.SignatureFlagRsaSha512
	}
	var signature *ssh.Signature
	err := g.within(ctx, agentSignTimeout, func() (err error) {
		signature, err = g.client.SignWithFlags(key, data, flags)
		return err
	})
	return signature, err
}

// within runs call and closes the connection when it takes longer than limit or ctx ends: the agent's API knows no
// deadlines, and a mute agent would otherwise block for ever.
func (g *agentConnection) within(ctx context.Context, limit time.Duration, call func() error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	stop := context.AfterFunc(bounded, func() { g.conn.Close() })
	defer stop()
	err := call()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(bounded.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", limit)
	}
	return foreign.Error(err)
}

// close ends the conversation.
func (g *agentConnection) close() { g.conn.Close() }
