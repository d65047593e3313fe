package monitor

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// keptEvents is how many of the last events of a tunnel are remembered; shownEvents is how many of them a status shows.
const (
	keptEvents  = 200
	shownEvents = 3
)

// Event is something that happened to a tunnel: what its log said at level info or above, whatever the log shows.
type Event struct {
	Number  uint64       `json:"number"` // from 1, in the order in which they happened
	Time    time.Time    `json:"time"`
	Level   string       `json:"level"` // info, warn or error
	Text    foreign.Text `json:"text"`
	Cause   foreign.Text `json:"cause,omitzero"`
	Details foreign.Text `json:"details,omitzero"` // name=value, with blanks between
}

// String returns the event without its time.
func (e Event) String() string {
	text := e.Text.String()
	if cause := e.Cause.String(); cause != "" {
		text += ": " + cause
	}
	if details := e.Details.String(); details != "" {
		text += " (" + details + ")"
	}
	return text
}

// Events remembers the last events of a tunnel. The zero value has none. Its methods may be called from any goroutine.
type Events struct {
	added func() // see OnAdd; nil: nobody is told

	mu   sync.Mutex // guards all following fields
	last []Event    // at most keptEvents
	made uint64     // how many there have been
}

// OnAdd has f called after each event. It must not block. It is to be called before there are any.
func (e *Events) OnAdd(f func()) { e.added = f }

// After returns the events that came after the one of that number, as far as they are remembered, and the number of the last.
func (e *Events) After(number uint64) ([]Event, uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	from := slices.IndexFunc(e.last, func(event Event) bool { return event.Number > number })
	if from < 0 {
		return []Event{}, e.made
	}
	return slices.Clone(e.last[from:]), e.made
}

// recent returns the last few.
func (e *Events) recent() []Event {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.last[max(0, len(e.last)-shownEvents):])
}

func (e *Events) add(event Event) {
	if e.added != nil {
		defer e.added() // without the lock
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.made++
	event.Number = e.made
	e.last = append(e.last, event)
	if extra := len(e.last) - keptEvents; extra > 0 {
		e.last = slices.Clone(e.last[extra:])
	}
}

// Handler returns a handler that remembers what is logged, and passes on to next what that wants.
func (e *Events) Handler(next slog.Handler) slog.Handler { return eventHandler{next, e, nil} }

type eventHandler struct {
	slog.Handler
	events *Events
	attrs  []slog.Attr // of With
}

// Enabled implements slog.Handler.
func (h eventHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return eventHandler{h.Handler.WithAttrs(attrs), h.events, slices.Concat(h.attrs, attrs)}
}

// WithGroup implements slog.Handler.
func (h eventHandler) WithGroup(name string) slog.Handler {
	return eventHandler{h.Handler.WithGroup(name), h.events, h.attrs}
}

// Handle implements slog.Handler.
func (h eventHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		h.events.add(h.event(r))
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h eventHandler) event(r slog.Record) Event {
	e := Event{Time: r.Time, Level: strings.ToLower(r.Level.String()), Text: foreign.Line(r.Message)}
	var details []string
	note := func(a slog.Attr) bool {
		text := foreign.Line(a.Value.Resolve().String())
		switch a.Key {
		case "tunnel", "state", "was", "phase", "hint": // told by the rest, or by the status
		case "err":
			e.Cause = text
		case "why":
			if e.Cause.String() == "" {
				e.Cause = text
			}
		default:
			if text.String() != "" {
				details = append(details, a.Key+"="+text.String())
			}
		}
		return true
	}
	for _, a := range h.attrs {
		note(a)
	}
	r.Attrs(note)
	e.Details = foreign.Line(strings.Join(details, " "))
	return e
}
