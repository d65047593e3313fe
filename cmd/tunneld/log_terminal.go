package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/config/foreign"
)

// terminalHandler writes for a person at a terminal: the time of day, the level in color, the message, and slog's own text
// for the rest, which quotes what does not fit on a line. It is our own because the common ones for colors turn an escape
// sequence that somebody has quoted back into one that works.
type terminalHandler struct {
	*terminal
	attrs slog.Handler // a TextHandler that writes to terminal.rest
}

// terminal is shared by a handler and all that With makes of it.
type terminal struct {
	level slog.Leveler
	color bool

	mu   sync.Mutex // guards all following
	w    io.Writer
	rest bytes.Buffer
}

func newTerminalHandler(w io.Writer, level slog.Leveler, color bool) *terminalHandler {
	t := &terminal{level: level, color: color, w: w}
	return &terminalHandler{t, slog.NewTextHandler(&t.rest, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})}
}

// withoutHead leaves out what terminalHandler writes itself.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled is for slog.Handler.
func (h *terminalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle is for slog.Handler.
func (h *terminalHandler) Handle(ctx context.Context, record slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rest.Reset()
	if err := h.attrs.Handle(ctx, record); err != nil {
		return err
	}
	name, color := levelName(record.Level)
	line := h.paint(dimColor, record.Time.Format(time.TimeOnly)) + " " + h.paint(color, name) + " " + foreign.Own(record.Message).String() // net/http's may have lines
	if rest := bytes.TrimRight(h.rest.Bytes(), "\n"); len(rest) > 0 {
		line += " " + string(rest)
	}
	_, err := io.WriteString(h.w, line+"\n")
	return err
}

// WithAttrs is for slog.Handler.
func (h *terminalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &terminalHandler{h.terminal, h.attrs.WithAttrs(attrs)}
}

// WithGroup is for slog.Handler.
func (h *terminalHandler) WithGroup(name string) slog.Handler {
	return &terminalHandler{h.terminal, h.attrs.WithGroup(name)}
}

// Parameters of SGR (ECMA-48 §8.3.117); the empty one is no color.
const (
	dimColor    = "2"
	redColor    = "91"
	yellowColor = "93"
	greenColor  = "92"
)

func (t *terminal) paint(color, text string) string {
	if !t.color || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// levelName returns three letters and a color.
func levelName(level slog.Level) (name, color string) {
	switch systemd.PriorityOf(level) {
	case systemd.PriorityError:
		return "ERR", redColor
	case systemd.PriorityWarning:
		return "WRN", yellowColor
	case systemd.PriorityInfo:
		return "INF", greenColor
	}
	return "DBG", ""
}
