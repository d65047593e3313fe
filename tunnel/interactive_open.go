package tunnel

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// sessionChannel is an open channel of type "session" (RFC 4254 §6.1): an interactive.Channel. It counts as load of its Session
// until it is closed, and a planned replacement waits for it. Its owner calls Close.
type sessionChannel struct {
	*channel
	stderr   stderrReader
	requests chan *ssh.Request
	leaving  sync.Once
	left     chan struct{} // closed by Close
	exited   atomic.Bool   // the server has said how the command ended
}

// OpenSession opens a channel of type "session" on the least loaded session of t. Where none lives it waits for one until
// ctx is done, and it asks again where one ends before the server has answered. A refusal is an *ssh.OpenChannelError.
func (t *Tunnel) OpenSession(ctx context.Context) (interactive.Channel, error) {
	who := caller{number: t.pool.arrive(), forward: "session", count: new(counter)}
	for {
		p, err := t.pool.hold(ctx, who, forever, t.want)
		if errors.Is(err, errNoSession) && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		ch, err := p.openSession(ctx)
		if errors.Is(err, errSessionDown) {
			t.pool.leave(p.session)
			continue
		}
		return ch, err
	}
}

// Reserve has the sessions of all others wait until OpenSession has asked the server for one, or release is called: where that
// allows few (MaxSessions), the owner's of s is among them. It is called before Join.
func (s *Session) Reserve() (release func()) {
	first := make(chan struct{})
	s.first, s.asked = first, sync.OnceFunc(func() { close(first) })
	return s.asked
}

// awaitFirst waits for the session that Reserve is about.
func (s *Session) awaitFirst(ctx context.Context) error {
	if s.first == nil {
		return nil
	}
	select {
	case <-s.first:
	case <-s.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// OpenSession opens a channel of type "session" on s. It blocks until the server answers, s ends or ctx is done. A refusal is
// an *ssh.OpenChannelError.
func (s *Session) OpenSession(ctx context.Context) (interactive.Channel, error) {
	p := s.place()
	p.first, p.asked = true, s.asked
	return p.openSession(ctx)
}

// OpenStdio opens a connection from the server to target on s, for an owner who carries it through two files: `ssh -W`. It is
// otherwise as OpenSession.
func (s *Session) OpenStdio(ctx context.Context, target config.Endpoint) (interactive.Channel, error) {
	kind, payload := openPayload(target, nil)
	return s.place().openKind(ctx, kind, payload)
}

func (p *place) openSession(ctx context.Context) (interactive.Channel, error) {
	return p.openKind(ctx, sessionKind, nil)
}

// openKind is place.open for a channel whose owner reads its stderr and its requests.
func (p *place) openKind(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	if kind == sessionKind && !p.first {
		if err := p.session.awaitFirst(ctx); err != nil {
			p.rise()
			p.leave()
			return nil, err
		}
	}
	if kind == sessionKind && !p.seated {
		p.session.seats.Occupy()
		p.seated = true
	}
	ch, reqs, err := p.session.openChannel(ctx, kind, kind, payload, p.asked)
	if err != nil {
		if p.seated && isRefusal(err) {
			p.seated, p.crowded = false, p.session.seats.Refused()
		}
		p.rise()
		p.leave()
		return nil, err
	}
	over := p.session.ridden.done
	if p.seated {
		p.opened, over = true, p.rise
		p.session.seats.Opened()
	} else {
		p.session.ridden.add()
	}
	c := &sessionChannel{
		channel:  &channel{Channel: ch, session: p.session, place: p, ended: make(chan struct{})},
		requests: make(chan *ssh.Request),
		left:     make(chan struct{}),
	}
	p.share()
	c.expireWhenIdle(kind)
	c.stderr = stderrReader{channel: c.channel, from: ch.Stderr()}
	c.session.run(func() { c.passRequests(reqs, over) })
	return c, nil
}

// passRequests hands the server's requests to the owner, and answers them itself once that has left: the library stops the
// whole connection while one waits. A session has its seat until the server has closed the channel: sshd counts it, and does not
// close the channel, while the command goes on, whoever has left.
func (c *sessionChannel) passRequests(requests <-chan *ssh.Request, over func()) {
	defer c.place.leave()
	defer close(c.ended)
	defer close(c.requests)
	defer over() // before the owner hears of the end, and asks for the next
	for r := range requests {
		if c.lapsed.Load() && strings.HasPrefix(r.Type, "exit-") {
			continue // a command that ends by its input's end has not done its work
		}
		if r.Type == "exit-status" {
			c.exited.Store(true)
		}
		select {
		case c.requests <- r:
		case <-c.left:
			if r.WantReply {
				r.Reply(false, nil)
			}
		}
	}
}

// SendRequest notes that the server is asked to forward our agent.
func (c *sessionChannel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	if name == "auth-agent-req@openssh.com" {
		c.session.agent.asked.Store(true)
	}
	return c.channel.SendRequest(name, wantReply, payload)
}

// Close closes the channel, and throws away what still comes. It does not block and may be called more than once.
func (c *sessionChannel) Close() error {
	c.leaving.Do(func() {
		close(c.left)
		c.session.run(func() { discard(&c.stderr) })
	})
	return c.channel.Close()
}

// Requests returns what the server asks and tells. It is closed when the server has closed the channel, or s has ended.
func (c *sessionChannel) Requests() <-chan *ssh.Request { return c.requests }

// Stderr returns what the command writes there.
func (c *sessionChannel) Stderr() io.Reader { return &c.stderr }

// Lost is closed when the connection has ended.
func (c *sessionChannel) Lost() <-chan struct{} { return c.session.done }

// Err is why the connection ended; nil until Lost is closed.
func (c *sessionChannel) Err() error { return c.session.Err() }

// Lives reports whether the connection lives after all that was read from the channel. It blocks for a round trip, but for a
// command whose end the server has told: whoever runs many of them would wait for one with each.
func (c *sessionChannel) Lives(ctx context.Context) bool {
	if c.exited.Load() {
		return c.session.readsOn(ctx)
	}
	return c.session.lives(ctx)
}

// Commands is the number of shells, commands and subsystems that run on s, and of connections that programs ride on. One that is
// quiet is not idle: behind the connection of a jump host, too, may be somebody at a prompt.
func (s *Session) Commands() int { return s.seats.Count() + s.ridden.count() }

// stderrReader counts what it carries, and keeps to one reader at a time as channel.Read does.
type stderrReader struct {
	channel *channel
	from    io.Reader
	reading sync.Mutex
}

func (r *stderrReader) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	n, err := r.from.Read(p)
	r.channel.use(n)
	r.channel.session.carried.Add(uint64(n))
	return n, err
}

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
	if err == nil {
		if err = s.link.BindAgent(ctx, conn); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		s.log.Debug("agent not forwarded", "err", err)
		s.reject(raw, ssh.ConnectionFailed, refusalText(err))
		return
	}
	agent := quick(conn.(stream))
	ch, err := arrival{raw, place, func() {}}.accept()
	if err != nil {
		reset(agent)
		return
	}
	(&splice{agent, ch, &s.agent.count, nil}).run(ctx)
}
