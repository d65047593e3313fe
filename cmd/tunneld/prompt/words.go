package prompt

import (
	"bytes"
	"io"
	"os"
)

// words returns where a program that asks in our place writes what it has to say besides: standard error, which gets whole lines where
// each is framed. end is to be called when the program has ended. s may be nil.
func (s *Screen) words() (w io.Writer, end func()) {
	if s == nil || s.frame == nil {
		return os.Stderr, func() {}
	}
	f := &framer{screen: s}
	return f, f.end
}

// framer writes lines that are framed.
type framer struct {
	screen *Screen
	begun  []byte // of the last line
}

// longestLine is how much of a line is kept together, in bytes.
const longestLine = 4 << 10

// Write implements io.Writer.
func (f *framer) Write(text []byte) (int, error) {
	f.begun = append(f.begun, text...)
	for {
		line, rest, whole := bytes.Cut(f.begun, []byte("\n"))
		if !whole && len(line) < longestLine {
			return len(text), nil
		}
		f.screen.Write(f.screen.framed(string(line)))
		f.begun = rest
	}
}

func (f *framer) end() {
	if len(f.begun) > 0 {
		f.screen.Write(f.screen.framed(string(f.begun)))
	}
}
