package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/eventlog"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
)

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
			if follow {
				exit.Print(cmd.ErrOrStderr(), err) // now, and not when the others have ended
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			_, color := terminalOf(cmd.OutOrStdout())
			failed := eventlog.Read(ctx, cmd.OutOrStdout(), color, processesOf(chosen), follow)
			if errors.Is(failed, eventlog.ErrGone) {
				background.ShowEnded(cmd.OutOrStdout(), rundir.Traces(os.Getenv), namesOf(chosen))
			}
			if follow && err != nil && failed == nil {
				failed = &exit.Error{Code: exit.Code(err)}
			}
			if follow {
				return failed
			}
			return errors.Join(failed, err)
		},
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what happens from now on, until interrupted or the tunnels have ended")
	return cmd
}

// processesOf returns the processes that were chosen, as their events are read.
func processesOf(chosen []choice) (processes []*eventlog.Process) {
	for _, c := range chosen {
		processes = append(processes, eventlog.NewProcess(c.names, func(ctx context.Context, query url.Values) (*http.Response, error) {
			return c.instance.send(ctx, http.MethodGet, "/log", query, nil)
		}))
	}
	return processes
}

func namesOf(chosen []choice) (names []string) {
	for _, c := range chosen {
		names = append(names, c.names...)
	}
	return names
}
