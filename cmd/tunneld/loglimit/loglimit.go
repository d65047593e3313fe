// Package loglimit keeps a log from filling a disk, and from holding up whoever logs.
package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Budget is what may be logged at once and in the long run. Peers cause most records, and one that causes them without
// end must not fill a disk; people who look for something see what was first, and that there was more. Each level has a
// budget of its own, so that none crowds out what weighs more.
type Budget struct {
	Burst  int // bytes
	Rate   int // bytes a second
	Resume int // bytes that there has to be room for before something is logged again; 0: those of a second
}

var (
	debugBudget = Budget{Burst: 1536 << 10, Rate: 16 << 10}
	infoBudget  = Budget{Burst: 512 << 10, Rate: 4 << 10}
	warnBudget  = Budget{Burst: 512 << 10, Rate: 4 << 10}
	errorBudget = Budget{Burst: 256 << 10, Rate: 4 << 10}
)

// recordSize is what a record has besides its message and its own attributes, about: time, level, tunnel, forward.
const recordSize = 150

// limitedHandler passes on what its budgets allow. It is shared by all loggers that are made of one.
type limitedHandler struct {
	slog.Handler
	base                       slog.Handler // for notes, which are about all tunnels
	debug, info, warn, failure *Meter
}

// New returns a handler that passes on to h what the budgets allow.
func New(h slog.Handler) slog.Handler {
	return limitedHandler{
		Handler: h, base: h,
		debug: NewMeter(debugBudget), info: NewMeter(infoBudget), warn: NewMeter(warnBudget), failure: NewMeter(errorBudget),
	}
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
	ok, lost := h.meter(r.Level).Take(time.Now(), sizeOf(r))
	switch {
	case !ok && lost == 1:
		h.note(ctx, r, "too many log records, some are left out from now on")
	case ok && lost > 0:
		h.note(ctx, r, "log records left out, there were too many", slog.Int("records", lost))
	}
	if !ok {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h limitedHandler) meter(level slog.Level) *Meter {
	switch {
	case level < slog.LevelInfo:
		return h.debug
	case level < slog.LevelWarn:
		return h.info
	case level < slog.LevelError:
		return h.warn
	}
	return h.failure
}

// note says something about records like r.
func (h limitedHandler) note(ctx context.Context, r slog.Record, text string, attrs ...slog.Attr) {
	note := slog.NewRecord(r.Time, r.Level, text, 0)
	note.AddAttrs(attrs...)
	h.base.Handle(ctx, note)
}

// sizeOf returns the size of a record, about.
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

// Meter is how much of a budget is left. Its methods may be called from any goroutine.
type Meter struct {
	budget Budget

	mu   sync.Mutex // guards all following fields
	left int        // bytes
	at   time.Time  // when that was so
	lost int        // records that were left out since the last that was not
}

// NewMeter returns a meter with all of a budget left.
func NewMeter(b Budget) *Meter {
	if b.Resume == 0 {
		b.Resume = b.Rate
	}
	return &Meter{budget: b, left: b.Burst}
}

// Take reports whether a record of so many bytes may be logged, and how many have not been: before it if it may, otherwise with
// it. It does not let a few through in the middle of a flood: there has to be room for some again.
func (m *Meter) Take(now time.Time, size int) (ok bool, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if earned := int(now.Sub(m.at).Seconds() * float64(m.budget.Rate)); m.at.IsZero() || earned > 0 {
		m.left, m.at = min(m.left+max(0, earned), m.budget.Burst), now
	}
	if m.left < size || m.lost > 0 && m.left < m.budget.Resume {
		m.lost++
		return false, m.lost
	}
	m.left -= size
	lost, m.lost = m.lost, 0
	return true, lost
}
