package autossh

import (
	"bytes"
	"context"
	"log/slog"
	"net"
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

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return h.log.Shows(h.grade(level))
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	grade := h.grade(r.Level)
	if words := known(r); words != nil {
		h.log.SSH(grade, words...)
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

// known returns ssh's words where it has some: for forwards that are not there, here or at the server.
func known(r slog.Record) (words []string) {
	if r.Level != slog.LevelWarn {
		return nil
	}
	var err error
	listen := ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "err":
			err, _ = a.Value.Any().(error)
		case "listen":
			listen = a.Value.String()
		}
		return true
	})
	if words := ListenWords(err); err != nil && words != nil {
		return words
	}
	if err != nil && listen != "" {
		_, port, splitErr := net.SplitHostPort(listen)
		if splitErr != nil {
			port = listen
		}
		return []string{"Warning: remote port forwarding failed for listen port " + port, "tunneld: " + listen + ": " + err.Error()}
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	other := *h
	other.attrs = h.attrs.WithAttrs(attrs)
	return &other
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	other := *h
	other.attrs = h.attrs.WithGroup(name)
	return &other
}
