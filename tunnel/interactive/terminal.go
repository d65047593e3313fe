package interactive

import "os"

// size is the payload of window-change, and part of pty-req's: characters, then pixels (RFC 4254 §6.7).
type size struct{ Columns, Rows, Width, Height uint32 }

// IsTerminal reports whether file is a terminal; nil is none.
func IsTerminal(file *os.File) bool { return terminalOf(file) != nil }

// suspend stops whoever runs us, with the terminal as it was found.
func (s *session) suspend() {
	s.tty.restore()
	s.request.Suspend()
	if s.request.Raw && s.pty.Load() {
		s.tty.makeRaw()
	}
	s.lookAtSize()
}
