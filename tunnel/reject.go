package tunnel

import (
	"fmt"

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

// reject refuses c without blocking: the library's call may block, when the server does not read, so one goroutine makes them
// all.
func (s *Session) reject(c ssh.NewChannel, reason ssh.RejectionReason, text string) {
	select {
	case s.rejections <- rejection{c, reason, text}:
	default:
		s.hostile("opens channels without end and does not read the answers")
	}
}

// serveRejections refuses channels in the order in which they came.
func (s *Session) serveRejections() {
	for {
		select {
		case r := <-s.rejections:
			r.channel.Reject(r.reason, r.text)
		case <-s.done:
			return
		}
	}
}
