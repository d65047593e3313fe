package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/eventlog"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/monitor"
)

// logAnswer is the answer to GET /log.
type logAnswer struct {
	Tunnels []tunnelLog `json:"tunnels"`
}

// tunnelLog is what a tunnel remembers, and the number of its last event.
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
				if told := background.ShowEnded(cmd.OutOrStdout(), rundir.Traces(os.Getenv), names); told {
					return &exit.Error{Code: exit.GaveUp, Err: err} // without the hint to look here
				}
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			_, color := terminalOf(cmd.OutOrStdout())
			return errors.Join(eventlog.Read(ctx, cmd.OutOrStdout(), color, eventsOf(chosen), follow), err)
		},
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on, until interrupted or the tunnels have ended")
	return cmd
}

// eventsOf returns the tunnels that were chosen, as their events are read.
func eventsOf(chosen []choice) (tunnels []*eventlog.Tunnel) {
	for _, c := range chosen {
		for _, name := range c.names {
			tunnels = append(tunnels, &eventlog.Tunnel{Name: name, After: func(ctx context.Context, number uint64) ([]monitor.Event, uint64, error) {
				return c.instance.events(ctx, name, number)
			}})
		}
	}
	return tunnels
}

// events asks for the events of a tunnel after the one of that number, and for the number of the last.
func (d *instance) events(ctx context.Context, name string, after uint64) ([]monitor.Event, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, rundir.AskTime)
	defer cancel()
	var answer logAnswer
	query := url.Values{"tunnel": {name}, "after": {strconv.FormatUint(after, 10)}}
	if err := d.exchange(ctx, http.MethodGet, "/log", query, nil, &answer); err != nil {
		return nil, 0, err
	}
	if len(answer.Tunnels) != 1 {
		return nil, 0, errors.New("it has ended, or is too old to tell")
	}
	return answer.Tunnels[0].Events, answer.Tunnels[0].Last, nil
}
