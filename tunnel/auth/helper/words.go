package helper

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tunneld/tunneld/config/foreign"
)

// How much of what a helper says is taken, in bytes, and how much is kept.
const (
	maxWords  = 4 << 20  // then its standard error is closed; a library that explains itself says much
	maxTold   = 16 << 10 // in the log
	maxLine   = 1 << 10
	maxNoted  = 64 // lines
	maxBehind = 32 // of a line that is noted
)

// mark is what a line does not have in it.
const mark = 0

var errTooManyWords = errors.New("too many words")

// words is what a helper says on its standard error.
type words struct {
	program Program
	mark    chan struct{} // holds an element when a mark has come
	size    int           // so far

	mu    sync.Mutex // guards all following
	begun []byte     // a line that has not ended yet
	kept  []byte     // the last one that is no debugging
	notes []string
}

// Write implements io.Writer. It is called by one at a time.
func (w *words) Write(p []byte) (int, error) {
	if w.size += len(p); w.size > maxWords {
		return 0, errTooManyWords
	}
	for rest, marked := p, true; marked; {
		var part []byte
		part, rest, marked = bytes.Cut(rest, []byte{mark})
		w.hear(part)
		if marked {
			select {
			case w.mark <- struct{}{}:
			default:
			}
		}
	}
	return len(p), nil
}

func (w *words) hear(text []byte) {
	for part := range bytes.Lines(text) {
		if line := w.take(part); line != nil && w.size <= maxTold && w.program.Log != nil {
			w.program.Log.Debug("helper says", "program", filepath.Base(w.program.Path), "stderr", w.shown(line))
		}
	}
}

// take adds a part of a line. It returns the line when that was its end, nil where it is empty.
func (w *words) take(part []byte) (line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, ended := bytes.CutSuffix(part, []byte("\n"))
	w.begun = append(w.begun, text[:min(len(text), maxLine-len(w.begun))]...)
	if !ended {
		return nil
	}
	line = bytes.TrimSpace(w.begun)
	w.begun = nil
	if len(line) == 0 {
		return nil
	}
	if w.program.Noted != "" && len(w.notes) < maxNoted {
		if _, behind, found := strings.Cut(string(line), w.program.Noted); found {
			w.notes = append(w.notes, behind[:min(len(behind), maxBehind)])
		}
	}
	if !debugging(line) {
		w.kept = line
	}
	return line
}

// debugging tells the lines that OpenSSH writes for debugging: "debug1: …".
func debugging(line []byte) bool { return bytes.HasPrefix(line, []byte("debug")) }

// shown returns a line without the secret. Control characters in it do not hide it.
func (w *words) shown(line []byte) foreign.Text {
	text := string(line)
	if secret := w.program.Secret; secret != "" {
		text = strings.ReplaceAll(text, secret, "…")
		text = strings.ReplaceAll(foreign.Line(text).String(), secret, "…")
	}
	return foreign.Line(text)
}

// last returns the last line that is no debugging, whole where there is such a one.
func (w *words) last() foreign.Text {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := w.kept
	if rest := bytes.TrimSpace(w.begun); len(line) == 0 && !debugging(rest) {
		line = rest
	}
	return w.shown(line)
}

func (w *words) noted() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.notes)
}
