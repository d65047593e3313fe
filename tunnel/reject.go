package tunnel

import (
	"fmt"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// The bounds of what a server's channels may cost us. No honest server gets near them, so going beyond ends the session.
const (
	maxRejections = maxForwarded // refusals that the server does not read: all that wait may be refused at the same moment
	maxClosing    = 10 << 10     // channels that we closed, and the server did not; sshd has 10,000 at most (channels.c)
	maxOpenText   = 8 << 10      // bytes of an SSH_MSG_CHANNEL_OPEN; a path has 4096 at most
)

// hostile ends the session, because the server seems to mean harm.
func (s *Session) hostile(format string, args ...any) {
	s.end(&fault.Error{
		Phase: fault.PhaseSession,
		Err:   fmt.Errorf("the server "+format, args...),
		Hint:  "no SSH server does that by itself: check that Host, HostName and Port lead to the one that you mean",
	})
}

// rejection is the refusal of a channel that the server opened.
type rejection struct {
	channel ssh.NewChannel
	reason  ssh.RejectionReason
	text    string
}

// rejections are those that wait until the server reads what was written before. The zero value has none.
type rejections struct {
	mu      sync.Mutex // guards all following fields
	waiting []rejection
	serving bool // a goroutine refuses for as long as there are some
}

// reject refuses c without blocking: the library's call may block, when the server does not read, so one goroutine makes them
// all.
func (s *Session) reject(c ssh.NewChannel, reason ssh.RejectionReason, text string) {
	q := &s.rejections
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == maxRejections {
		s.hostile("opens channels without end and does not read the answers")
		return
	}
	q.waiting = append(q.waiting, rejection{c, reason, text})
	if !q.serving {
		q.serving = true
		s.run(s.serveRejections)
	}
}

// serveRejections refuses channels in the order in which they came, until none waits or the session has ended.
func (s *Session) serveRejections() {
	for r, ok := s.rejections.next(s.done); ok; r, ok = s.rejections.next(s.done) {
		r.channel.Reject(r.reason, r.text)
	}
}

// next takes the first one out. It is false where none waits, or over is closed.
func (q *rejections) next(over <-chan struct{}) (r rejection, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-over:
		q.waiting = nil
	default:
	}
	if q.serving = len(q.waiting) > 0; !q.serving {
		q.waiting = nil
		return rejection{}, false
	}
	r, q.waiting = q.waiting[0], q.waiting[1:]
	return r, true
}
