package main

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/signals"
)

// cutTime bounds the wait for connections that are being reset.
const cutTime = time.Second

// cut resets all connections: the end of a process ends them as if all had been sent.
func (p *process) cut() {
	p.mu.Lock()
	runners := slices.Concat(p.runners, p.parting)
	p.mu.Unlock()
	for _, r := range runners {
		r.monitor.Cut()
		r.updown.Cut()
	}
	late := time.NewTimer(cutTime)
	defer late.Stop()
	for _, r := range runners {
		select {
		case <-r.done:
		case <-late.C:
			return
		}
	}
}

// finish waits for what has been started, unless it is told again to stop.
func (p *process) finish(caught <-chan os.Signal, asked *signals.Stop, err error) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.endpoints.close() // nobody can ask for more
		p.tasks.Wait()
	}()
	for {
		select {
		case <-done:
			return err
		case s := <-caught:
			switch {
			case s == syscall.SIGQUIT:
				return p.quit()
			case signals.IsStop(s) && asked.Again(s, time.Now()):
				return errSecondSignal
			}
		}
	}
}

// noteStop notes why the process stops: a signal has come, and its terminal may have been closed.
func (p *process) noteStop(s os.Signal, hungUp bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch number, ok := s.(syscall.Signal); {
	case p.why != "":
	case hungUp:
		p.why = "its terminal was closed"
	case ok:
		p.why = signals.Name(number)
	}
}

// quit ends the process for SIGQUIT, with one line. Who debugs it sees before that what each goroutine does.
func (p *process) quit() error {
	if p.log.Enabled(context.Background(), slog.LevelDebug) {
		p.dump(signals.Goroutines())
	}
	p.noteStop(syscall.SIGQUIT, false)
	p.log.Warn("exiting at once", "signal", syscall.SIGQUIT.String())
	return errQuit
}
