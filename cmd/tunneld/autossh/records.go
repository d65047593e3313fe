package autossh

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"github.com/tunneld/tunneld/config/foreign"
)

// NewHandler returns a handler that logs the tunnel's records among ssh's lines: what ssh has words for in ssh's, anything else
// with "tunneld: " before it, or as ssh's own debugging output. demoted has all records but errors count as debugging output: those of
// the monitor, whose news the rules tell in their own way.
func (l *Log) NewHandler(demoted bool) slog.Handler {
	h := &handler{log: l, demoted: demoted, turn: new(sync.Mutex), text: new(bytes.Buffer)}
	h.attrs = slog.NewTextHandler(h.text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutHead})
	return h
}

type handler struct {
	log     *Log
	demoted bool
	forward string       // that the records are about, as its option; empty: none
	attrs   slog.Handler // writes to text

	turn *sync.Mutex // guards text; shared by all that With makes
	text *bytes.Buffer
}

// withoutHead leaves out what stands elsewhere in the line, or says nothing to whoever runs one tunnel.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey || a.Key == "tunnel") {
		return slog.Attr{}
	}
	return a
}

func (h *handler) grade(level slog.Level) Grade {
	switch {
	case level >= slog.LevelError:
		return Error
	case h.demoted, level < slog.LevelInfo:
		return Debug
	case level < slog.LevelWarn:
		return Verbose
	}
	return Info
}

// Enabled implements slog.Handler. Some of what we tell, ssh says one grade earlier.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.log.Shows(h.grade(level) - 1)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	grade := h.grade(r.Level)
	lines, all := inWordsOfSSH(r, h.forward)
	for _, l := range lines {
		if h.demoted {
			l.grade = max(l.grade, grade)
		}
		h.log.SSH(l.grade, l.text)
	}
	if all || !h.log.Shows(grade) {
		return nil
	}
	h.turn.Lock()
	defer h.turn.Unlock()
	h.text.Reset()
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	head := "tunneld: "
	if grade >= Debug {
		head = "debug1: "
	}
	line := head + foreign.Own(r.Message).String()
	if rest := bytes.TrimRight(h.text.Bytes(), "\n"); len(rest) > 0 {
		line += " " + string(rest)
	}
	h.log.SSH(grade, line)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	other := *h
	for _, a := range attrs {
		if a.Key == "forward" {
			other.forward = a.Value.String()
		}
	}
	other.attrs = h.attrs.WithAttrs(attrs)
	return &other
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	other := *h
	other.attrs = h.attrs.WithGroup(name)
	return &other
}
