package interactive

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/crypto/ssh"
)

// sendInput passes on what is typed, or piped, until its end, which the server gets to see. leave ends the session; so does the
// end of a terminal.
func (s *session) sendInput(leave context.CancelCauseFunc) {
	keys := &escapes{session: s, lineStart: true}
	if s.request.Terminal {
		keys.char = s.request.Escape
	}
	buffer := make([]byte, firstBuffer)
	for n := 0; ; {
		buffer = grown(buffer, n)
		var err error
		n, err = s.in.Read(buffer)
		data, left := keys.filter(buffer[:n])
		if left {
			leave(ErrDisconnected)
			return
		}
		if len(data) > 0 {
			if _, err := s.channel.Write(data); err != nil {
				return // the server reads no more
			}
		}
		if s.in.isClosed() {
			return
		}
		switch {
		case err != nil && s.request.Raw && s.pty.Load() && s.tty.gone(): // a server gives no session up for the end of its input
			leave(ErrHungUp)
			return
		case err != nil:
			s.channel.CloseWrite()
			return
		}
		if s.pty.Load() {
			s.lookAtSize() // where no SIGWINCH reaches us: from a client in another container, or of another user
		}
	}
}

// lookAtSize has the server told where the size of the window is not the one that it knows.
func (s *session) lookAtSize() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// watchSize tells the server of each change of the window (RFC 4254 §6.7).
func (s *session) watchSize(ctx context.Context) {
	changed := make(chan os.Signal, 1)
	notifySize(changed)
	defer signal.Stop(changed)
	for { // at first for what changed since the terminal was asked for
		if now := s.tty.size(); now != s.size && now != (size{}) {
			s.size = now
			s.channel.SendRequest("window-change", false, ssh.Marshal(now))
		}
		select {
		case <-changed:
		case <-s.look:
		case <-ctx.Done():
			return
		}
	}
}
