package tunnel

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/idle"
	"github.com/tunneld/tunneld/tunnel/load"
)

// errSessionDown is the error of an open whose session ended before the answer. Another session may serve it.
var errSessionDown = errors.New("the ssh connection went down")

// errTooManyOpens is the error where a session has too many opens without an answer.
var errTooManyOpens = errors.New("too many connections already wait for the server to answer")

// maxPendingOpens bounds the opens of one session that the server has not answered. An open cannot be withdrawn
// (RFC 4254 §5.1), so a flood towards a target that answers nobody would otherwise grow without end. A single target gets
// half of them.
const maxPendingOpens = 4096

// channel is an open SSH channel and the session that it cannot outlive. Its owner calls Close.
type channel struct {
	ssh.Channel
	session *Session
	place   *place
	closing sync.Once
	reading sync.Mutex    // held while the library reads: its EOF wakes one reader alone (buffer.go, eof)
	stopped atomic.Bool   // Close was called
	ended   chan struct{} // closed when the peer has closed the channel or the session has ended
	used    atomic.Bool   // a byte has been carried, in either direction
	silent  atomic.Bool   // CloseWrite was called
	expired chan struct{} // closed when ChannelTimeout closes the channel; nil: it is no splice's
	idle    idle.Channel
	stream  load.Stream
	lapsed  atomic.Bool // ChannelTimeout has closed the channel
}

// expireWhenIdle has ChannelTimeout close the channel, which is of this type, when nothing has gone over it for too long.
func (c *channel) expireWhenIdle(kind string) {
	if kind == agentChannel {
		kind = "agent-connection" // as ssh_config(5) has it
	}
	c.session.idle.Join(&c.idle, kind, func() {
		c.session.log.Debug("idle channel closed", "type", kind)
		c.lapsed.Store(true)
		if c.expired != nil {
			close(c.expired)
		}
		c.Close()
	})
}

// Read counts what the session carries.
func (c *channel) Read(p []byte) (int, error) {
	c.reading.Lock()
	n, err := c.Channel.Read(p)
	c.use(n) // before another reader sees the end
	c.reading.Unlock()
	c.session.carried.Add(uint64(n))
	return n, err
}

// Write counts what the session carries.
func (c *channel) Write(p []byte) (int, error) {
	c.use(len(p))
	n, err := c.Channel.Write(p)
	c.session.carried.Add(uint64(n))
	return n, err
}

// CloseWrite sends the end of what is written.
func (c *channel) CloseWrite() error {
	c.silent.Store(true)
	return c.Channel.CloseWrite()
}

func (c *channel) use(n int) {
	if n <= 0 {
		return
	}
	if !c.used.Load() {
		c.used.Store(true)
	}
	c.idle.Use()
	c.session.heavy.Carry(&c.stream, n)
}

// Close closes the channel. It does not wait for the library, which waits for a peer that does not read. It may be called
// more than once.
func (c *channel) Close() error {
	c.closing.Do(func() {
		c.stopped.Store(true)
		c.idle.Leave()
		c.session.heavy.End(&c.stream)
		select {
		case <-c.ended: // the library has closed it, too
		default:
			c.session.run(c.closeNow)
		}
		c.place.leave()
	})
	return nil
}

// closeNow closes the channel and discards what the peer still sends, which the library would keep until the peer has closed
// it, too.
func (c *channel) closeNow() {
	if n := c.session.closing.Add(1); n > maxClosing {
		c.session.hostile("does not close its channels: we have closed %d", n)
	}
	defer c.session.closing.Add(-1)
	c.Channel.Close()
	discard(c)
	<-c.ended
}

// discard reads to the end and keeps nothing.
func discard(r io.Reader) {
	var buffer [256]byte
	for {
		if _, err := r.Read(buffer[:]); err != nil {
			return
		}
	}
}

type openResult struct {
	channel ssh.Channel
	reqs    <-chan *ssh.Request
	err     error
}

// open asks the server for a channel to target, which is only the name under which the open counts. It blocks until the server
// answers, the session ends (errSessionDown) or ctx is done. A refusal is an *ssh.OpenChannelError.
func (s *Session) open(ctx context.Context, target, kind string, payload []byte) (*channel, error) {
	return s.place().open(ctx, target, kind, payload)
}

// probe is open for a channel that finds something out and is no use of the session.
func (s *Session) probe(ctx context.Context, target, kind string, payload []byte) (*channel, error) {
	p := s.place()
	p.probe = true
	return p.open(ctx, target, kind, payload)
}

// open is Session.open for a caller that has its place already. The place becomes the channel's, or is left on an error.
func (p *place) open(ctx context.Context, target, kind string, payload []byte) (*channel, error) {
	ch, reqs, err := p.session.openChannel(ctx, target, kind, payload, p.asked)
	if err != nil {
		p.leave()
		return nil, err
	}
	return p.adopt(ch, kind, reqs), nil
}

// openChannel calls the library in a goroutine of its own, since it may hang when the connection ends at the same time. A
// channel that opens after ctx is done is closed again.
func (s *Session) openChannel(ctx context.Context, target, kind string, payload []byte, asked func()) (ssh.Channel, <-chan *ssh.Request, error) {
	if !s.opens.Take(target) {
		return nil, nil, errTooManyOpens
	}
	result := make(chan openResult, 1)
	s.run(func() {
		defer s.opens.Release(target)
		proves := s.proofs.opening()
		ch, reqs, err := s.link.OpenChannel(kind, payload, asked)
		var refused *ssh.OpenChannelError
		if err == nil || errors.As(err, &refused) {
			s.proofs.openAnswered(proves)
		}
		result <- openResult{ch, reqs, err}
	})
	select {
	case r := <-result:
		return r.channel, r.reqs, notOpened(r.err)
	case <-s.done:
		return nil, nil, errSessionDown
	case <-ctx.Done():
		s.run(func() { s.closeLate(kind, result) })
		return nil, nil, context.Cause(ctx)
	}
}

// notOpened returns a refusal as it is. Anything else is the end of the connection, which is about to show.
func notOpened(err error) error {
	var refused *ssh.OpenChannelError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return &ssh.OpenChannelError{Reason: refused.Reason, Message: foreign.Line(refused.Message).String()}
	}
	return errSessionDown
}

// closeLate closes a channel that opened after its client had gone.
func (s *Session) closeLate(kind string, result <-chan openResult) {
	select {
	case r := <-result:
		if r.err == nil {
			p := s.place()
			p.probe = true // of nobody
			p.adopt(r.channel, kind, r.reqs).Close()
		}
	case <-s.done:
	}
}

// directStreamLocal is the payload of direct-streamlocal@openssh.com (OpenSSH PROTOCOL §2.4).
type directStreamLocal struct {
	Path      string
	Reserved0 string
	Reserved1 uint32
}
