package main

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
)

// react deals with what happens until the tunnel has ended, and returns the exit code.
func (a *autosshRun) react(running context.Context, stop func(), caught <-chan os.Signal) int {
	p := a.process
	watchdog, cancel := p.service.Watchdog()
	defer cancel()
	lifetime := a.lifetime()
	defer lifetime.Stop()
	code, tried := exit.OK, a.ports.Tried()
	end := func(with int) {
		code = with
		p.service.Stopping()
		a.starts.StopWork()
		stop()
	}
	var asked signals.Stop
	for {
		select {
		case <-p.ended:
			if !p.isOver() {
				continue
			}
			if err := a.runner.err; err != nil {
				code = codeOf(err)
			}
			return code
		case <-tried:
			if tried = nil; !a.tellReady() { // whoever started us was killed meanwhile
				a.log.SayLast(autossh.SignalledToExit())
				end(exit.GaveUp)
			}
		case <-p.changed:
			p.service.Status(p.summary())
		case <-watchdog:
			p.service.Feed(p.heartbeat())
		case <-lifetime.C:
			end(a.endOfLife())
		case s := <-caught:
			if !signals.IsStop(s) {
				a.prod(running, s)
				continue
			}
			if asked.Again(s, time.Now()) {
				a.starts.End(errProdded) // TunneldDrain is not waited for
				return exit.GaveUp
			}
			if !asked.Repeated {
				a.sayStop(s)
				end(exit.GaveUp)
			}
		}
	}
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

func (a *autosshRun) sayStop(s os.Signal) {
	if a.waits() {
		a.log.SayLast(autossh.SignalledToExit())
	} else if number, ok := s.(syscall.Signal); ok {
		a.log.SayLast(autossh.ReceivedSignal(int(number)))
	}
}

// waits reports whether no ssh would run now.
func (a *autosshRun) waits() bool { return a.runner.monitor.Status().State == monitor.Waiting }

// prod is a signal that does not end autossh.
func (a *autosshRun) prod(running context.Context, s os.Signal) {
	switch {
	case a.waits():
		a.process.tasks.Go(func() { a.runner.monitor.Reconnect(running) })
	case s == syscall.SIGUSR1:
		a.log.Say(autossh.SignalledToRestart())
		a.starts.End(errProdded)
	default:
		a.runner.monitor.Nudge(s.String())
	}
}
