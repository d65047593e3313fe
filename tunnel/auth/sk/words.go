package sk

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
)

// words is what a helper says on its standard error. It is read when the helper has ended.
type words struct {
	log  *slog.Logger
	last foreign.Text // the last line that is not for debugging alone

	size  int    // bytes so far
	begun []byte // a line without its end
}

// maxWords is how much a helper may say, in bytes; then its standard error is closed.
const maxWords = 16 << 10

var errTooManyWords = errors.New("too many words")

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	if w.size += len(p); w.size > maxWords {
		return 0, errTooManyWords
	}
	w.begun = append(w.begun, p...)
	for {
		line, rest, whole := bytes.Cut(w.begun, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.say(string(line))
		w.begun = rest
	}
}

// say notes a line. OpenSSH begins those that are for debugging with "debug1: ".
func (w *words) say(line string) {
	text := foreign.Line(line)
	if text == (foreign.Text{}) {
		return
	}
	w.log.Debug("ssh-sk-helper", "stderr", text)
	if !strings.HasPrefix(text.String(), "debug") {
		w.last = text
	}
}
