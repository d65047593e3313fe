package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/credentials"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/config/foreign"
)

// How long -f keeps a person waiting for a name server, and when it says so.
const (
	lookUpNotice = 2 * time.Second
	lookUpTime   = 10 * time.Second
)

// firstPlan reads the configuration as process.firstPlan does. Behind -f it goes into the background where a name server does not
// answer CanonicalizeHostname: autossh, which leaves all names to ssh, has the person's shell, or the machine's boot, go on.
func (a *autosshRun) firstPlan(ctx context.Context) ([]tunnelPlan, error) {
	if a.ready == nil {
		return a.process.firstPlan(ctx)
	}
	names := make(chan string, 1)
	a.lookingUp = func(name string) {
		select {
		case names <- name:
		default:
		}
	}
	type result struct {
		plans []tunnelPlan
		err   error
	}
	results := make(chan result, 1)
	go func() {
		plans, err := a.process.firstPlan(ctx)
		results <- result{plans, err}
	}()
	var asked string
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for wait := lookUpNotice; ; {
		select {
		case r := <-results:
			return r.plans, r.err
		case name := <-names:
			if asked == "" {
				asked = name
				timer.Reset(wait)
			}
		case <-timer.C:
			if wait == lookUpNotice {
				wait = lookUpTime - lookUpNotice
				a.sayWaiting("waiting for a name server to resolve %s, as CanonicalizeHostname asks; in %s this goes on in the background", asked, wait)
				timer.Reset(wait)
				continue
			}
			a.sayWaiting("no name server has resolved %s in %s: that goes on in the background", asked, lookUpTime)
			if err := a.goAway(); err != nil {
				return nil, err
			}
			if !a.tellReady() {
				return nil, nil
			}
		}
	}
}

// sayWaiting says on the terminal and in the log what a person waits for.
func (a *autosshRun) sayWaiting(format, name string, limit time.Duration) {
	a.announce(fmt.Sprintf(format, foreign.Own(name), limit))
}

// announce says something to the person who started us, and in the log.
func (a *autosshRun) announce(text string) {
	fmt.Fprintf(a.stderr, "%s: %s\n", a.command.Name, text)
	a.log.Record(autossh.Entry{Level: autossh.LevelInfo, Text: text})
}

// unlock asks for what opens the keys, behind -f: there is no terminal to ask on later.
func (a *autosshRun) unlock(ctx context.Context, plan tunnelPlan) error {
	if a.ready == nil {
		return nil
	}
	asking, done := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	defer done()
	a.secrets = credentials.New(a.process.ask, a.process.log, plan.alone)
	err := a.secrets.Unlock(asking, plan.options, a.process.log)
	switch {
	case err == nil:
		return nil
	case asking.Err() != nil:
		a.log.SayLast(autossh.SignalledToExit())
		return &exit.Error{Code: exit.GaveUp}
	}
	return &exit.Error{Code: exit.GaveUp, Err: err}
}

// settle does what else has to be done before the person's shell goes on: the monitor ports, the pid file, the way into the
// background.
func (a *autosshRun) settle(ctx context.Context) (err error) {
	a.traceCrashes()
	if a.loop, err = front.OpenLoop(ctx, a.command, a.log); err != nil {
		return err
	}
	if err := a.goAway(); err != nil {
		return err
	}
	if a.away {
		front.LeaveDirectory(a.runner.plan.options)
	}
	return nil
}

// traceCrashes has the words of a crash kept where people find them, which standard error is not behind -f: in a log file, or where
// `tunneld log` looks.
func (a *autosshRun) traceCrashes() {
	socket := a.process.endpoints.socket
	if a.log.CatchCrash() || !a.command.Background || socket == nil {
		return
	}
	var err error
	if a.trace, err = background.LeaveTrace(rundir.TracePath(socket.Path()), []string{a.runner.name}); err != nil {
		a.process.log.Debug("nothing will tell of a crash", "err", err)
	}
}

// goAway writes the pid file and, behind -f, leaves the terminal, unless that has been done.
func (a *autosshRun) goAway() (err error) {
	if a.away {
		return nil
	}
	if a.pidFile, err = front.WritePIDFile(a.command.Settings.PIDFile); err != nil || a.ready == nil {
		return err
	}
	a.log.LeaveTerminal()
	if err := background.LeaveTerminal(false); err != nil {
		return &autossh.Refusal{Text: autossh.DaemonFailed(err).Text} // which is still said to whoever is there
	}
	a.stderr, a.away = io.Discard, true
	return nil
}

// tellReady lets the first process exit. It is false where that has ended already, without us.
func (a *autosshRun) tellReady() bool {
	if a.ready != nil {
		err := a.ready.Release("")
		a.ready = nil
		if err != nil {
			return false
		}
	}
	a.process.service.Ready(a.command.Destination)
	return true
}
