package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/cmd/tunneld/thrift"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
)

// react deals with what happens until the tunnel has ended, or is not to be waited for, and returns the exit code.
func (a *autosshRun) react(running context.Context, stop func(), caught <-chan os.Signal) (code int, atOnce bool) {
	p := a.process
	watchdog, cancel := p.service.Watchdog()
	defer cancel()
	lifetime := a.lifetime()
	defer lifetime.Stop()
	tried := a.ports.Tried()
	end := func(with int) {
		code = with
		p.service.Stopping()
		a.starts.StopWork()
		stop()
	}
	memory := thrift.NewKeeper()
	defer memory.Stop()
	for {
		select {
		case <-memory.C:
			memory.GiveBack()
		case <-p.ended:
			if !p.isOver() {
				continue
			}
			if err := a.runner.err; err != nil {
				code = codeOf(err)
			}
			return code, false
		case <-tried:
			if tried = nil; !a.tellReady() { // whoever started us was killed meanwhile
				a.log.SayLast(autossh.SignalledToExit())
				end(exit.GaveUp)
			}
		case <-p.changed:
			memory.Changed()
			p.service.Status(p.summary())
		case <-watchdog:
			p.service.Feed(p.heartbeat())
		case <-lifetime.C:
			end(a.endOfLife())
		case s := <-caught:
			switch atOnce = a.endsAtOnce(s); {
			case atOnce, a.ends(s) && !a.asked.Repeated:
				a.sayStop(s)
				end(exit.GaveUp)
				if atOnce {
					a.runner.monitor.Cut() // TunneldDrain is not waited for
					return code, true
				}
			case !a.ends(s):
				a.prod(running, s)
			}
		}
	}
}

// ends reports whether the signal ends us: one that asks to stop, or that of a terminal that was closed under a session.
func (a *autosshRun) ends(s os.Signal) bool {
	return signals.IsStop(s) || s == syscall.SIGHUP && a.work.HungUp()
}

// endsAtOnce notes a signal, and reports whether it is SIGQUIT or the second that ends us.
func (a *autosshRun) endsAtOnce(s os.Signal) bool {
	return s == syscall.SIGQUIT || a.ends(s) && a.asked.Again(s, time.Now())
}

// lifetime ticks when AUTOSSH_MAXLIFETIME is over.
func (a *autosshRun) lifetime() *time.Timer {
	most := a.command.Settings.MaxLifetime
	timer := time.NewTimer(max(0, most-time.Since(a.began)))
	if most == 0 {
		timer.Stop()
	}
	return timer
}

// endOfLife logs what autossh does where its time is over.
func (a *autosshRun) endOfLife() (code int) {
	v := a.rules.Next(autossh.End{Cause: autossh.CauseRestart, Starts: -1, Age: time.Since(a.began) + time.Second})
	a.log.SayLast(v.Log...)
	return v.Code
}

// codeOf returns autossh's exit code for an error that ends the tunnel.
func codeOf(err error) int {
	if said, ok := errors.AsType[*exit.Error](err); ok {
		return said.Code
	}
	return exit.GaveUp
}

// sayStop says once that a signal ends us.
func (a *autosshRun) sayStop(s os.Signal) {
	a.saidEnd.Do(func() {
		if a.waits() {
			a.log.SayLast(autossh.SignalledToExit())
		} else if number, ok := s.(syscall.Signal); ok {
			a.log.SayLast(autossh.ReceivedSignal(int(number)))
		}
	})
}

// waits reports whether no ssh would run now.
func (a *autosshRun) waits() bool { return a.runner.monitor.Status().State == monitor.Waiting }

// prod is a signal that does not end autossh.
func (a *autosshRun) prod(running context.Context, s os.Signal) {
	again := func() { a.runner.monitor.Reconnect(running) }
	switch {
	case a.waits():
		a.process.tasks.Go(again)
	case s == signals.Reconnect:
		a.log.Say(autossh.SignalledToRestart())
		if !a.starts.End(errProdded) { // the last one has ended, and the wait for the next is about to begin
			a.process.tasks.Go(again)
		}
	default:
		a.runner.monitor.Nudge(s.String())
	}
}
