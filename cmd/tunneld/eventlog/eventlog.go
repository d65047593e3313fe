package eventlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

// printer prints the events of tunnels.
type printer struct {
	out   io.Writer
	color bool
	named bool   // there are several tunnels: each line says whose it is
	day   string // of the last line
}

// Read prints what processes tell, and with follow what they will, until ctx is done or all tunnels have ended.
func Read(ctx context.Context, out io.Writer, color bool, processes []*Process, follow bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	p := &printer{out: out, color: color}
	var failures []error
	var first []Line
	answers := make(map[*Process]*answer)
	for _, process := range processes {
		a, err := process.ask(ctx, follow)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		first = append(first, a.first...)
		if !follow {
			a.close()
			continue
		}
		answers[process] = a
	}
	p.named = len(first) > 1
	p.print(first)

	lines, ends := make(chan []Line), make(chan error)
	for process, a := range answers {
		following.Go(func() {
			err := process.follow(ctx, a, lines)
			select {
			case ends <- err:
			case <-ctx.Done():
			}
		})
	}
	for range answers {
		failures = append(failures, p.printUntil(ctx, lines, ends))
	}
	if ctx.Err() != nil {
		return nil
	}
	err := errors.Join(failures...)
	if follow && err == nil {
		fmt.Fprintln(out, "stopped")
	}
	return err
}

// printUntil prints lines until one of ends comes, which it returns, or ctx is done.
func (p *printer) printUntil(ctx context.Context, lines <-chan []Line, ends <-chan error) error {
	for {
		select {
		case list := <-lines:
			p.print(list)
		case err := <-ends:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// print writes the events of these lines in the order in which they happened.
func (p *printer) print(lines []Line) {
	type told struct {
		name  string
		event monitor.Event
	}
	var all []told
	for _, line := range lines {
		for _, e := range line.Events {
			all = append(all, told{line.Name, e})
		}
	}
	slices.SortStableFunc(all, func(a, b told) int { return a.event.Time.Compare(b.event.Time) })
	for _, one := range all {
		p.printOne(one.name, one.event)
	}
}

// printOne writes an event, and the day above the first of each.
func (p *printer) printOne(name string, e monitor.Event) {
	at := e.Time.Local()
	if day := at.Format(time.DateOnly); day != p.day {
		p.day = day
		fmt.Fprintln(p.out, p.paint(view.DimColor, day))
	}
	level, color := "INF", view.GreenColor
	switch e.Level {
	case "warn":
		level, color = "WRN", view.YellowColor
	case "error":
		level, color = "ERR", view.RedColor
	}
	if p.named {
		name += ": "
	} else {
		name = ""
	}
	fmt.Fprintf(p.out, "%s %s %s%s\n", p.paint(view.DimColor, at.Format(time.TimeOnly)), p.paint(color, level), name, e)
}

func (p *printer) paint(color, text string) string { return view.Paint(p.color, color, text) }
