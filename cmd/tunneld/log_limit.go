package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// logBudget is what may be logged at once and in the long run. Peers cause most records, and one that causes them without
// end must not fill a disk; people who look for something see what was first, and that there was more. Debug, info, and
// what is above have a budget each, so that none crowds out what weighs more.
type logBudget struct {
	burst int // bytes
	rate  int // bytes a second
}

var (
	debugBudget = logBudget{1536 << 10, 16 << 10}
	infoBudget  = logBudget{512 << 10, 4 << 10}
	warnBudget  = logBudget{512 << 10, 4 << 10}
)

// recordSize is what a record has besides its message and its own attributes, about: time, level, tunnel, forward.
const recordSize = 150

// limitedHandler passes on what its budgets allow. It is shared by all loggers that are made of one.
type limitedHandler struct {
	slog.Handler
	debug, info, warn *logMeter
}

func limitLog(h slog.Handler) slog.Handler {
	return limitedHandler{h, newLogMeter(debugBudget), newLogMeter(infoBudget), newLogMeter(warnBudget)}
}

// WithAttrs implements slog.Handler.
func (h limitedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h limitedHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

// Handle implements slog.Handler.
func (h limitedHandler) Handle(ctx context.Context, r slog.Record) error {
	meter := h.info
	switch {
	case r.Level < slog.LevelInfo:
		meter = h.debug
	case r.Level > slog.LevelInfo:
		meter = h.warn
	}
	ok, lost := meter.take(time.Now(), sizeOf(r))
	if lost > 0 {
		note := slog.NewRecord(r.Time, r.Level, "log records left out, there were too many", 0)
		note.AddAttrs(slog.Int("records", lost))
		h.Handler.Handle(ctx, note)
	}
	if !ok {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// sizeOf gives the size of a record, about.
func sizeOf(r slog.Record) int {
	size := recordSize + len(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		size += len(a.Key) + 2
		switch a.Value.Kind() {
		case slog.KindString, slog.KindLogValuer, slog.KindAny:
			size += len(a.Value.Resolve().String())
		default:
			size += 8
		}
		return true
	})
	return size
}

// logMeter is how much of a budget is left.
type logMeter struct {
	budget logBudget

	mu   sync.Mutex // guards all following fields
	left int        // bytes
	at   time.Time  // when that was so
	lost int        // records that were left out since the last that was not
}

func newLogMeter(b logBudget) *logMeter { return &logMeter{budget: b, left: b.burst} }

// take tells whether a record may be logged, and how many before it were not. It does not let a few through in the middle of
// a flood: there has to be room for some again.
func (m *logMeter) take(now time.Time, size int) (ok bool, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if earned := int(now.Sub(m.at).Seconds() * float64(m.budget.rate)); m.at.IsZero() || earned > 0 {
		m.left, m.at = min(m.left+max(0, earned), m.budget.burst), now
	}
	if m.left < size || m.lost > 0 && m.left < m.budget.rate {
		m.lost++
		return false, 0
	}
	m.left -= size
	lost, m.lost = m.lost, 0
	return true, lost
}
