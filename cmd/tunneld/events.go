package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

// followEvery is how often `log -f` asks for what is new.
const followEvery = 250 * time.Millisecond

// logAnswer is the answer to GET /log.
type logAnswer struct {
	Tunnels []tunnelLog `json:"tunnels"`
}

// tunnelLog is what a tunnel remembers, and the number of its last event: one that is lower than the number asked for is that
// of a tunnel that has begun since.
type tunnelLog struct {
	Name   string          `json:"name"`
	Last   uint64          `json:"last"`
	Events []monitor.Event `json:"events"`
}

// serveLog serves GET /log.
func (p *process) serveLog(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	meant, err := p.named(query["tunnel"])
	if err != nil {
		answerJSON(w, http.StatusNotFound, logAnswer{})
		return
	}
	after, _ := strconv.ParseUint(query.Get("after"), 10, 64) // without one: all
	answer := logAnswer{Tunnels: []tunnelLog{}}
	for _, r := range meant {
		events, last := r.events.After(after)
		answer.Tunnels = append(answer.Tunnels, tunnelLog{r.name, last, events})
	}
	answerJSON(w, http.StatusOK, answer)
}

func logCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "log [NAME...]",
		Short: "Show the last events of running tunnels",
		Long: `Shows what has happened to running tunnels, with the times and the causes: the last 200 events of each, which are what its
log says at level info or above, wherever that goes. NAME may be a quoted pattern. Of a process in the background (up -f)
that ended without being asked to, it tells why.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			chosen, err := selectTunnels(cmd.Context(), names)
			if len(chosen) == 0 {
				if told := background.ShowTraces(cmd.OutOrStdout(), rundir.Traces(os.Getenv, names)); told {
					return &exit.Error{Code: exit.GaveUp, Err: err} // without the hint to look here
				}
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return errors.Join(newEventReader(cmd.OutOrStdout(), chosen).read(ctx, follow), err)
		},
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on, until interrupted or the tunnels have ended")
	return cmd
}

// eventReader prints the events of tunnels in the order in which they happened.
type eventReader struct {
	out    io.Writer
	color  bool
	named  bool // there are several tunnels: each line says whose it is
	chosen []choice
	seen   map[string]uint64 // by socket and name: the number of the last that was printed
	day    string            // of the last line
}

func newEventReader(out io.Writer, chosen []choice) *eventReader {
	_, color := terminalOf(out)
	return &eventReader{
		out: out, color: color, chosen: chosen, seen: make(map[string]uint64),
		named: len(chosen) > 1 || len(chosen[0].names) > 1,
	}
}

// read prints what there is, and with follow what comes.
func (r *eventReader) read(ctx context.Context, follow bool) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		err := r.readOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !first && len(r.chosen) == 0: // all have ended
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

// readOnce prints what is new. A process that does not answer any more is not asked again.
func (r *eventReader) readOnce(ctx context.Context) (problem error) {
	var lines []line
	var living []choice
	for _, c := range r.chosen {
		left := c
		left.names = nil
		for _, name := range c.names {
			events, err := r.fresh(ctx, c.instance, name)
			if err != nil {
				problem = &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", name, err)}
				continue
			}
			left.names = append(left.names, name)
			for _, e := range events {
				lines = append(lines, line{name, e})
			}
		}
		if len(left.names) > 0 {
			living = append(living, left)
		}
	}
	r.chosen = living
	slices.SortStableFunc(lines, func(a, b line) int { return a.event.Time.Compare(b.event.Time) })
	for _, l := range lines {
		r.print(l)
	}
	return problem
}

// fresh returns the events of a tunnel that have not been returned yet.
func (r *eventReader) fresh(ctx context.Context, d *instance, name string) ([]monitor.Event, error) {
	key := d.socket + "\x00" + name
	ctx, cancel := context.WithTimeout(ctx, rundir.AskTime)
	defer cancel()
	for {
		var answer logAnswer
		query := url.Values{"tunnel": {name}, "after": {strconv.FormatUint(r.seen[key], 10)}}
		if err := d.exchange(ctx, http.MethodGet, "/log", query, nil, &answer); err != nil {
			return nil, err
		}
		if len(answer.Tunnels) != 1 {
			return nil, errors.New("it has ended, or is too old to tell")
		}
		t := answer.Tunnels[0]
		if again := t.Last < r.seen[key]; again {
			r.seen[key] = 0
			continue
		}
		r.seen[key] = t.Last
		return t.Events, nil
	}
}

// print writes a line, and the day above the first line of each.
func (r *eventReader) print(l line) {
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

func (r *eventReader) paint(color, text string) string {
	return view.Paint(r.color, color, text)
}
