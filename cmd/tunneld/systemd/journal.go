package systemd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Priorities of syslog(3), which the journal reads from the beginning of a line (sd-daemon(3)).
const (
	PriorityError   = 3
	PriorityWarning = 4
	PriorityInfo    = 6
	priorityDebug   = 7
)

// OnJournal reports whether what is written to w goes to the journal: systemd names the stream by device and inode
// (systemd.exec(5), $JOURNAL_STREAM). A stream that was redirected since is another one.
func OnJournal(w io.Writer, getenv func(string) string) bool {
	file, ok := w.(*os.File)
	if !ok || getenv("JOURNAL_STREAM") == "" {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	return getenv("JOURNAL_STREAM") == streamOf(info)
}

// journalHandler writes each record with its priority in front, and without what the journal knows itself.
type journalHandler struct {
	byPriority map[int]slog.Handler
}

// NewJournalHandler makes handlers by what is given a writer that puts the priority in front.
func NewJournalHandler(w io.Writer, options slog.HandlerOptions, handler func(io.Writer, *slog.HandlerOptions) slog.Handler) journalHandler {
	options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	h := journalHandler{make(map[int]slog.Handler)}
	for _, priority := range []int{PriorityError, PriorityWarning, PriorityInfo, priorityDebug} {
		h.byPriority[priority] = handler(PriorityWriter{w, priority}, &options)
	}
	return h
}

func (h journalHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.byPriority[PriorityOf(level)].Enabled(ctx, level)
}

func (h journalHandler) Handle(ctx context.Context, record slog.Record) error {
	return h.byPriority[PriorityOf(record.Level)].Handle(ctx, record)
}

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h journalHandler) each(change func(slog.Handler) slog.Handler) journalHandler {
	changed := journalHandler{make(map[int]slog.Handler)}
	for priority, one := range h.byPriority {
		changed.byPriority[priority] = change(one)
	}
	return changed
}

func PriorityOf(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return PriorityError
	case level >= slog.LevelWarn:
		return PriorityWarning
	case level >= slog.LevelInfo:
		return PriorityInfo
	}
	return priorityDebug
}

// PriorityWriter puts a priority in front of each line, and writes all that it is given at once.
type PriorityWriter struct {
	W        io.Writer
	Priority int
}

func (p PriorityWriter) Write(text []byte) (int, error) {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		fmt.Fprintf(&out, "<%d>%s", p.Priority, line)
	}
	if _, err := p.W.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(text), nil
}
