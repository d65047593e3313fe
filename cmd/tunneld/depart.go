package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/output"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// departure is the way of `up -f` into the background. The person's shell goes on when the local ports are bound and the first
// attempt to connect is over, so that what has to be asked is asked at the terminal, and what the server refuses is said there;
// but a server that does not answer delays it by settleTime at most. With ExitOnForwardFailure yes it goes on when every remote
// port is granted, as ssh(1) has it.
type departure struct {
	first *background.First
	log   *output.Log
}

// goBackground starts the process that goes into the background, and waits until it is there.
func goBackground(cmd *cobra.Command) error {
	code, err := background.StartSecond(os.Args, cmd.ErrOrStderr())
	if err != nil {
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("-f: %w", err)}
	}
	if code != exit.OK {
		return &exit.Error{Code: code}
	}
	return nil
}

// departEvery is how often it is looked whether there is something to wait for.
const departEvery = 100 * time.Millisecond

// leave waits for what has to be waited for, and goes into the background. An error ends the process. plans are those of runners.
func (d *departure) leave(ctx context.Context, p *process, runners []*runner, plans []tunnelPlan) error {
	if err := d.settle(ctx, runners, plans); err != nil {
		return err
	}
	for i, r := range runners {
		if ctx.Err() == nil && !r.hasEnded() && !r.monitor.Status().State.Carries() {
			if err := r.dialer.Credentials.Unlock(ctx, plans[i].options, r.log); err != nil && ctx.Err() == nil {
				r.log.Warn("keys not opened", "err", err)
			}
		}
	}
	stays := func(r *runner) bool { return !r.isAsked() }
	if ctx.Err() != nil || !slices.ContainsFunc(p.live(), stays) { // the first process learns of the end
		return nil
	}
	words := d.words(p)
	kept := background.KeepsErrors()
	d.leaveTrace(p, kept)
	if err := background.LeaveTerminal(kept); err != nil {
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("-f: %w", err)}
	}
	if !kept {
		d.log.Screen.Leave()
	}
	if err := d.first.Release(words); err != nil {
		return &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("-f: the process that was started has been killed: %w", err)}
	}
	return nil
}

// settle waits until no tunnel is a reason to wait. Time in which a person is asked does not count.
func (d *departure) settle(ctx context.Context, runners []*runner, plans []tunnelPlan) error {
	tick := time.NewTicker(departEvery)
	defer tick.Stop()
	for left := settleTime; ; {
		waiting := false
		for i, r := range runners {
			reason, err := holdsUp(r, plans[i].options, left > 0)
			if err != nil {
				return err
			}
			waiting = waiting || reason
		}
		if !waiting && !d.log.Screen.Asking() {
			return nil
		}
		select {
		case <-tick.C:
			if !d.log.Screen.Asking() {
				left -= departEvery
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// holdsUp reports whether the tunnel has to be waited for: patiently, for its first attempt; always, for remote ports that
// there is nothing without, and for the end of one that has failed. The error is that of one that is refused.
func holdsUp(r *runner, o *config.Options, patient bool) (bool, error) {
	if r.hasEnded() {
		return false, nil
	}
	s := r.monitor.Status()
	needed := func(f monitor.ForwardStatus) bool {
		return f.Kind == string(rune(config.Remote)) && f.State != tunnel.ForwardListening
	}
	if o.ExitOnForwardFailure && !s.Lazy && slices.ContainsFunc(s.Forwards, needed) {
		if e := s.LastError; e != nil && e.Phase == fault.PhaseForward {
			return false, &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("%s: %s", r.name, e.Text), Hint: e.Hint}
		}
		return true, nil
	}
	select {
	case <-r.tried:
		return r.monitor.Status().State == monitor.Failed, nil // its end is on its way
	default:
		return patient, nil
	}
}

// leaveTrace prepares a place for why the process ends, where nobody would see that. kept: standard error is such a place.
func (d *departure) leaveTrace(p *process, kept bool) {
	var err error
	switch socket := p.endpoints.socket; {
	case d.log.File != nil:
		err = background.CrashTo(d.log.File)
	case !kept && socket != nil:
		var trace *background.Trace
		if trace, err = background.LeaveTrace(rundir.TracePath(socket.Path()), p.names()); err == nil {
			d.log.Trace.Store(trace)
		}
	}
	if err != nil {
		p.log.Warn("nothing will tell of a crash", "err", err)
	}
}

// traceAgain has the trace, if there is one, be where the control socket is now: that of before may have gone with it. d may be nil.
func (d *departure) traceAgain(p *process) {
	if d == nil || d.log.Trace.Load() == nil {
		return
	}
	trace, err := d.log.Trace.Load().Again(rundir.TracePath(p.endpoints.socket.Path()), p.names())
	if err != nil {
		p.log.Warn("nothing will tell of a crash", "err", err)
		return
	}
	d.log.Trace.Store(trace)
}

// renameTrace has the trace tell of the tunnels that the process runs now.
func (p *process) renameTrace() {
	if names := p.names(); p.departure != nil && len(names) > 0 {
		p.departure.log.Trace.Load().Rename(names)
	}
}

// mostTyped is how many names a person likes to type.
const mostTyped = 3

// words is what the first process says in the end: how to see the tunnels, and how to stop them.
func (d *departure) words(p *process) string {
	if !d.log.Enabled(context.Background(), slog.LevelInfo) {
		return ""
	}
	var names, typed, down []string
	for _, r := range p.live() {
		names, typed = append(names, r.name), append(typed, fault.ShellQuote(r.name))
		if !r.monitor.Status().State.Carries() && len(down) < mostNames {
			down = append(down, r.name)
		}
	}
	them := "it"
	if len(names) > 1 {
		them = "them"
	}
	hint := fmt.Sprintf("`tunneld log %s` shows what happens, `tunneld down %[1]s` stops %s", strings.Join(typed, " "), them)
	switch {
	case p.endpoints.socket == nil:
		hint = fmt.Sprintf("`kill %d` stops %s", os.Getpid(), them)
	case len(names) > mostTyped:
		hint = fmt.Sprintf("`tunneld log` shows what happens, `kill %d` stops them", os.Getpid())
	}
	if file := d.log.File; file != nil {
		path, _ := filepath.Abs(file.Name())
		hint += "; the log goes to " + foreign.Own(cmp.Or(path, file.Name())).String()
	}
	if d.log.JSON {
		var line bytes.Buffer
		output.NewJSON(&line).Info("in the background", "tunnels", names, "pid", os.Getpid(), "hint", hint)
		return line.String()
	}
	text := fmt.Sprintf("tunneld: %s in the background, process %d", some(names), os.Getpid())
	if len(down) > 0 {
		text += fmt.Sprintf("; not connected yet: %s", some(down))
	}
	return fmt.Sprintf("%s\ntunneld: hint: %s\n", text, hint)
}

// names returns the names of all tunnels.
func (p *process) names() (names []string) {
	for _, r := range p.all() {
		names = append(names, r.name)
	}
	return names
}
