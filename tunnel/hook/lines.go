package hook

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/tunneld/tunneld/config/foreign"
)

// Lines logs what a command says on its standard error, line by line, and remembers the last line. Its fields are set before the
// first use.
type Lines struct {
	Log   *slog.Logger
	Level slog.Level
	Name  string // the message of each

	mu    sync.Mutex   // guards all following
	begun []byte       // a line without its end
	line  foreign.Text // the last one that is not empty
}

const longestLine = 1024 // longer lines are cut in pieces

// Write implements io.Writer.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range p {
		if c == '\n' || len(l.begun) == longestLine {
			l.sayLocked()
		}
		if c != '\n' {
			l.begun = append(l.begun, c)
		}
	}
	return len(p), nil
}

func (l *Lines) sayLocked() {
	if line := foreign.Line(string(l.begun)); line != (foreign.Text{}) {
		l.line = line
		l.Log.Log(context.Background(), l.Level, l.Name, "stderr", line)
	}
	l.begun = l.begun[:0]
}

// Last returns the last line so far, also one without its end.
func (l *Lines) Last() foreign.Text {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sayLocked()
	return l.line
}

var _ io.Writer = (*Lines)(nil)
