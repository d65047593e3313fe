package prompt

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"
)

// Screen is standard error as a log writes to it. On a terminal, what is written while a person is asked comes out behind the
// answer, so that no line lands in a question or in what is being typed.
type Screen struct {
	terminal bool
	frame    func(line string) []byte // see Frame; nil: as it is

	mu     sync.Mutex // guards all following fields
	w      io.Writer
	asking int    // questions that wait for an answer
	held   []byte // whole lines
	lost   int    // lines that were held too long
}

// mostHeld is how much is kept while a question waits, in bytes: a person may be away for long.
const mostHeld = 64 << 10

// NewScreen returns a Screen before w, which may be a terminal where it has a descriptor.
func NewScreen(w io.Writer) *Screen {
	file, ok := w.(interface{ Fd() uintptr })
	return &Screen{w: w, terminal: ok && term.IsTerminal(int(file.Fd()))}
}

// Frame has each line that is not of the log be written as f makes it. It is to be called before anything is written.
func (s *Screen) Frame(f func(line string) []byte) { s.frame = f }

// framed returns a line that is not of the log as it is to be written.
func (s *Screen) framed(line string) []byte {
	if s == nil || s.frame == nil {
		return []byte(line + "\n")
	}
	return s.frame(line)
}

// Write implements io.Writer.
func (s *Screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking == 0 || !s.terminal {
		return s.w.Write(text)
	}
	s.held = append(s.held, text...)
	for len(s.held) > mostHeld {
		_, rest, _ := bytes.Cut(s.held, []byte("\n"))
		s.held = rest
		s.lost++
	}
	return len(text), nil
}

// Asking reports whether a person is being asked.
func (s *Screen) Asking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asking > 0
}

// Flush writes what is held: at the end of the process, which no answer delays.
func (s *Screen) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
}

// Leave has nothing be seen from now on.
func (s *Screen) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushLocked()
	s.w, s.terminal = io.Discard, false
}

func (s *Screen) flushLocked() {
	if s.lost > 0 {
		s.w.Write(s.framed(fmt.Sprintf("%d lines left out while the question waited", s.lost)))
	}
	s.w.Write(s.held)
	s.held, s.lost = nil, 0
}

// ask begins a question; answered ends it. s may be nil.
func (s *Screen) ask() (answered func()) {
	if s == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.asking--; s.asking == 0 {
			s.flushLocked()
		}
	}
}
