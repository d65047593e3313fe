package tunnel

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// errSessionDown is what an open gets that its session did not outlive. Another session may serve it.
var errSessionDown = errors.New("the ssh connection went down")

// errTooManyOpens is the bound of one session's unanswered opens.
var errTooManyOpens = errors.New("too many connections already wait for the server to answer")

// maxPendingOpens bounds the opens of one session that the server has not answered. An open can not be withdrawn
// (RFC 4254 §5.1), so a flood towards a target that answers nobody would otherwise grow without end. A single target gets
// half of them.
const maxPendingOpens = 4096

// closeGrace is how long a channel that the peer closed is watched for the end of its session, which closes all channels
// in the same way just before it shows elsewhere.
const closeGrace = time.Millisecond

// livesRequest is a global request that wants no answer and that nobody knows.
const livesRequest = "lives@tunneld"

// channel is an open SSH channel and the session that it can not outlive.
type channel struct {
	ssh.Channel
	session *Session
	ended   chan struct{} // closed when the peer has closed the channel or the session has ended
	used    atomic.Bool   // a byte has been carried, in either direction
}

// adopt takes charge of an open channel: its requests are answered until it ends, then it no longer counts.
func (s *Session) adopt(ch ssh.Channel, requests <-chan *ssh.Request) *channel {
	c := &channel{Channel: ch, session: s, ended: make(chan struct{})}
	s.channels.add()
	go func() {
		defer s.channels.done()
		defer close(c.ended)
		// sshd asks keepalive@openssh.com on a channel (ClientAliveInterval); any answer will do.
		ssh.DiscardRequests(requests)
	}()
	return c
}

// Read and Write count what the session carries.
func (c *channel) Read(p []byte) (int, error) {
	n, err := c.Channel.Read(p)
	c.use(n)
	c.session.carried.Add(uint64(n))
	return n, err
}

func (c *channel) Write(p []byte) (int, error) {
	c.use(len(p))
	n, err := c.Channel.Write(p)
	c.session.carried.Add(uint64(n))
	return n, err
}

func (c *channel) use(n int) {
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
}

// brokeOff tells, after a Read that gave io.EOF, whether the stream was cut off by the end of the session. The library
// gives the same io.EOF for both, and a truncated stream must not look like a complete one.
func (c *channel) brokeOff() bool {
	if c.session.broken() {
		return true
	}
	select {
	case <-c.ended:
	default:
		return false // SSH_MSG_CHANNEL_EOF: the channel itself lives
	}
	// When the server says goodbye, the library closes every channel before it closes the wire. It refuses to write by then.
	if _, _, err := c.session.link.conn.SendRequest(livesRequest, false, nil); err != nil {
		return true
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-c.session.done:
		return true
	case <-grace.C:
		return false
	}
}

type openResult struct {
	channel ssh.Channel
	reqs    <-chan *ssh.Request
	err     error
}

// open asks the server for a channel to target, whose name is for the bound alone. It blocks until the server answers, the session ends (errSessionDown) or ctx is
// done. A refusal is an *ssh.OpenChannelError.
//
// The library's call runs in a goroutine of its own, since it can hang for ever when it races with the end of the
// connection; an answer that comes after we left is closed again.
func (s *Session) open(ctx context.Context, target, kind string, payload []byte) (*channel, error) {
	if !s.opens.take(target) {
		return nil, errTooManyOpens
	}
	result := make(chan openResult, 1)
	go func() {
		defer s.opens.release(target)
		ch, reqs, err := s.link.conn.OpenChannel(kind, payload)
		result <- openResult{ch, reqs, err}
	}()
	select {
	case r := <-result:
		return s.opened(r)
	case <-s.done:
		return nil, errSessionDown
	case <-ctx.Done():
		go s.closeLate(result)
		return nil, context.Cause(ctx)
	}
}

func (s *Session) opened(r openResult) (*channel, error) {
	if r.err == nil {
		return s.adopt(r.channel, r.reqs), nil
	}
	var refused *ssh.OpenChannelError
	if errors.As(r.err, &refused) {
		return nil, &ssh.OpenChannelError{Reason: refused.Reason, Message: foreign.Line(refused.Message).String()}
	}
	// Anything else is the end of the connection, which is about to show.
	return nil, errSessionDown
}

// closeLate closes a channel that opened after its client had gone.
func (s *Session) closeLate(result <-chan openResult) {
	select {
	case r := <-result:
		if r.err == nil {
			go ssh.DiscardRequests(r.reqs)
			r.channel.Close()
		}
	case <-s.done:
	}
}

// Payloads of RFC 4254 §7.2 and of OpenSSH's PROTOCOL file, §2.4.
type (
	directTCP struct {
		Host           string
		Port           uint32
		OriginatorHost string
		OriginatorPort uint32
	}
	directStreamLocal struct {
		Path      string
		Reserved0 string
		Reserved1 uint32
	}
)
