package view

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

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

// NewTerminalHandler returns a log handler for a person at the terminal that w writes to.
func NewTerminalHandler(w io.Writer, level slog.Leveler, color bool) slog.Handler {
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
	line := Paint(h.color, DimColor, record.Time.Format(time.TimeOnly)) + " " + Paint(h.color, color, name) + " " + foreign.Own(record.Message).String() // net/http's may have lines
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
	DimColor    = "2"
	RedColor    = "91"
	YellowColor = "93"
	GreenColor  = "92"
)

// Paint returns text in a color, if on.
func Paint(on bool, color, text string) string {
	if !on || color == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// levelName returns three letters and a color.
func levelName(level slog.Level) (name, color string) {
	switch {
	case level >= slog.LevelError:
		return "ERR", RedColor
	case level >= slog.LevelWarn:
		return "WRN", YellowColor
	case level >= slog.LevelInfo:
		return "INF", GreenColor
	}
	return "DBG", ""
}
