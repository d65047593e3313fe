package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// steering is a command that does something to running tunnels.
type steering struct {
	verb, short, long string
	done              string                                                 // what is printed behind the name
	during            func(context.Context, io.Writer, choice) (over func()) // tells what it waits for; nil: nothing
	after             func(context.Context, choice) error                    // waited for; nil: nothing
}

func steeringCommands() []*cobra.Command {
	return []*cobra.Command{
		steering{
			verb: "reconnect", short: "Replace the connection: first the new one, then the old retires", done: "reconnected",
			long: `Makes a new connection, moves new connections and -R forwards to it, and lets the old one end when its open connections
have, within TunneldDrain. A tunnel that waits for its next attempt makes it now.`,
		}.command(),
		steering{
			verb: "down", short: "Stop tunnels (SIGTERM)", done: "stopped", during: showDraining, after: waitGone,
			long: `Stops tunnels: no new connections are accepted, open ones may go on for TunneldDrain. It returns when that is over.
The process ends with its last tunnel.`,
		}.command(),
		steering{
			verb: "reload", short: "Read the configuration anew, change only what differs (SIGHUP)", done: "reloaded", during: showWaiting,
			long: `Has the processes of these tunnels read their configuration anew, and says what has changed. Only what differs is changed:
a forward that stays keeps its open connections. Where the way to the server or the login differ, it waits for the new
connection: the exit code is 1 where that fails, and the old one goes on. What cannot be read or bound changes nothing, and
is told here. A tunnel that has failed is tried again; one that was stopped with tunneld down is left so.`,
		}.command(),
	}
}

func (s steering) command() *cobra.Command {
	return &cobra.Command{
		Use:   s.verb + " NAME...",
		Short: s.short,
		Long:  s.long + "\n\nNAME is as `tunneld status` shows it, or a quoted pattern ('sshproxy-*', '*' for all).",
		RunE: func(cmd *cobra.Command, names []string) error {
			if len(names) == 0 {
				return exit.UsageError(cmd, fmt.Errorf("which tunnel? `tunneld %s NAME`; '*' means all", s.verb))
			}
			chosen, err := selectTunnels(cmd.Context(), names)
			failures := []error{err}
			for _, c := range chosen {
				failures = append(failures, s.do(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), c))
			}
			return errors.Join(failures...)
		},
		ValidArgsFunction: completeRunning,
	}
}

// do has one process do it, and prints what became of each tunnel.
func (s steering) do(ctx context.Context, out, notes io.Writer, c choice) error {
	if s.during == nil {
		s.during = func(context.Context, io.Writer, choice) func() { return func() {} }
	}
	over := s.during(ctx, notes, c)
	results, err := c.instance.control(ctx, s.verb, c.names)
	over()
	if err != nil {
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %w", strings.Join(c.names, " "), err)}
	}
	var failures []error
	for _, r := range results {
		if r.Error != "" {
			failures = append(failures, &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %s", r.Tunnel, r.Error), Hint: r.Hint})
			continue
		}
		fmt.Fprintln(out, r.text(s.done))
	}
	if s.after != nil {
		failures = append(failures, s.after(ctx, c))
	}
	return errors.Join(failures...)
}

// text says what was done to a tunnel, how long it took, and what it has changed.
func (r controlResult) text(done string) string {
	text := fmt.Sprintf("%s: %s", r.Tunnel, cmp.Or(r.Did, done))
	if r.Took > 0 {
		text += fmt.Sprintf(" in %s", time.Duration(r.Took).Round(time.Millisecond))
	}
	if r.Changed != "" {
		text += ": " + r.Changed
	}
	return text
}

// waitingTime is how long a reload may take until it says what it waits for.
const waitingTime = 2 * time.Second

// showWaiting says what a reload of these tunnels waits for, if that takes a while, until the function that it returns is called.
func showWaiting(_ context.Context, out io.Writer, c choice) (over func()) {
	timer := time.AfterFunc(waitingTime, func() {
		fmt.Fprintf(out, "%s: waiting until the configuration is read, and for a new login where that takes one; Ctrl-C ends the waiting alone\n",
			strings.Join(c.names, " "))
	})
	return func() { timer.Stop() }
}

// goneTime is how long a process may take to end after its last tunnel has stopped.
const goneTime = 5 * time.Second

// waitGone waits until a process whose last tunnel was stopped has given up its socket, so that the next `tunneld up` finds
// everything free.
func waitGone(ctx context.Context, c choice) error {
	for _, s := range c.instance.report.Tunnels {
		if !slices.Contains(c.names, s.Name) && s.State != monitor.Failed && s.State != monitor.Stopped {
			return nil // it goes on with that one
		}
	}
	ctx, cancel := context.WithTimeout(ctx, goneTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid, _ := rundir.InUse(ctx, c.instance.socket); pid == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d has not ended yet", c.instance.report.PID)
		}
	}
}

func healthCommand() *cobra.Command {
	var standby bool
	cmd := &cobra.Command{
		Use:   "health [NAME...]",
		Short: "Exit 0 when every tunnel is up and every forward listens",
		Long: `Exit code 0 when every tunnel is up and every forward listens, 1 otherwise: what is missing is printed, a line each. Made
for HEALTHCHECK. A tunnel with TunneldLazy is healthy while nobody uses it; with --standby so is a -R whose port another
connection has.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			report, err := gather(cmd.Context(), names)
			if err != nil {
				return err
			}
			var fine []tunnel.ForwardState
			if standby {
				fine = append(fine, tunnel.ForwardStandby)
			}
			var failures []error
			for _, s := range report.Tunnels {
				for _, reason := range s.Unready(fine...) {
					failures = append(failures, &exit.Error{Code: exit.GaveUp, Err: errors.New(reason)})
				}
			}
			return errors.Join(failures...)
		},
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().BoolVar(&standby, "standby", false, "a -R port that another connection has is fine: several processes share it")
	return cmd
}

// showDraining says what a `down` of these tunnels waits for, until the function that it returns is called: once, and on a
// terminal in a line that moves.
func showDraining(ctx context.Context, out io.Writer, c choice) (stop func()) {
	var open int64
	var most time.Duration
	for _, s := range c.instance.report.Tunnels {
		if n, drain := drainOf(s); n > 0 && slices.Contains(c.names, s.Name) {
			open += n
			most = max(most, drain)
		}
	}
	if open == 0 {
		return func() {}
	}
	text := strings.Join(c.names, " ") + ": " + waitingFor(open, most)
	if width, _ := terminalOf(out); width == 0 {
		fmt.Fprintln(out, text)
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		view.MoveLine(ctx, out, text, most, func() int { width, _ := terminalOf(out); return width })
	}()
	return func() { cancel(); <-done }
}
