// Package eventlog prints what has happened to running tunnels, in the order in which it happened, and goes on with what comes.
package eventlog

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

// followEvery is how often it is asked for what is new.
const followEvery = 250 * time.Millisecond

// Tunnel is a running one.
type Tunnel struct {
	Name string
	// After returns the events after the one of that number, as far as they are remembered, and the number of the last: one that is
	// lower than the number asked for is that of a tunnel that has begun since.
	After func(ctx context.Context, number uint64) (events []monitor.Event, last uint64, err error)

	seen uint64 // number of the last that was printed
}

// reader prints the events of tunnels.
type reader struct {
	out     io.Writer
	color   bool
	named   bool // there are several tunnels: each line says whose it is
	tunnels []*Tunnel
	day     string // of the last line
}

// Read prints what there is, and with follow what comes until ctx is done or all tunnels have ended.
func Read(ctx context.Context, out io.Writer, color bool, tunnels []*Tunnel, follow bool) error {
	r := &reader{out: out, color: color, tunnels: tunnels, named: len(tunnels) > 1}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		err := r.readOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !first && len(r.tunnels) == 0: // all have ended
			fmt.Fprintln(r.out, "stopped")
			return nil
		case err != nil && first, !follow:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// line is an event and whose it is.
type line struct {
	name  string
	event monitor.Event
}

// readOnce prints what is new. A tunnel of which nobody answers any more is not asked for again.
func (r *reader) readOnce(ctx context.Context) (problem error) {
	var lines []line
	r.tunnels = slices.DeleteFunc(slices.Clone(r.tunnels), func(t *Tunnel) bool {
		events, err := t.fresh(ctx)
		if err != nil {
			problem = &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", t.Name, err)}
		}
		for _, e := range events {
			lines = append(lines, line{t.Name, e})
		}
		return err != nil
	})
	slices.SortStableFunc(lines, func(a, b line) int { return a.event.Time.Compare(b.event.Time) })
	for _, l := range lines {
		r.print(l)
	}
	return problem
}

// fresh returns the events that have not been returned yet.
func (t *Tunnel) fresh(ctx context.Context) ([]monitor.Event, error) {
	for {
		events, last, err := t.After(ctx, t.seen)
		again := err == nil && last < t.seen
		t.seen = last
		if !again {
			return events, err
		}
		t.seen = 0
	}
}

// print writes a line, and the day above the first line of each.
func (r *reader) print(l line) {
	at := l.event.Time.Local()
	if day := at.Format(time.DateOnly); day != r.day {
		r.day = day
		fmt.Fprintf(r.out, "%s\n", r.paint(view.DimColor, day))
	}
	level, color := "INF", view.GreenColor
	switch l.event.Level {
	case "warn":
		level, color = "WRN", view.YellowColor
	case "error":
		level, color = "ERR", view.RedColor
	}
	name := ""
	if r.named {
		name = l.name + ": "
	}
	fmt.Fprintf(r.out, "%s %s %s%s\n", r.paint(view.DimColor, at.Format(time.TimeOnly)), r.paint(color, level), name, l.event)
}

func (r *reader) paint(color, text string) string {
	return view.Paint(r.color, color, text)
}
