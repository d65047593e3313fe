// Package hangup tells a SIGHUP of a terminal's end, which ends `tunneld up` as it ends ssh, from one that asks for a reload.
package hangup

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/signals"
)

// Terminal is the one that controlled the process when it began. It is used by one goroutine. The process may let go of it later,
// for a client of its ControlPath that reads it; the shell there tells it of the end all the same.
type Terminal struct {
	tty  *os.File  // nil: there is none, or nohup(1) has told the process to outlive it
	gone time.Time // when it was first seen to be gone; zero: it is there, as far as is known
}

// Watch must be called before anybody catches SIGHUP: then it can be told whether it is ignored, as by nohup(1). A process
// that has left its terminal, or never had one, such as after -f or under systemd, watches none.
func Watch() *Terminal {
	if signal.Ignored(syscall.SIGHUP) {
		return &Terminal{}
	}
	tty, err := openTerminal()
	if err != nil {
		return &Terminal{}
	}
	return &Terminal{tty: tty}
}

// Look notices that the terminal is gone. It is to be called every few seconds.
func (t *Terminal) Look(now time.Time) {
	if t.tty != nil && t.gone.IsZero() && t.hasEnded() {
		t.gone = now
	}
}

// outlived is the time after which a SIGHUP has nothing to do with the end of the terminal: the shell has not sent one, because
// the process was disowned.
const outlived = 10 * time.Second

// HungUp reports whether a SIGHUP that comes now means that the terminal was closed.
func (t *Terminal) HungUp(now time.Time) bool {
	t.Look(now)
	return !t.gone.IsZero() && now.Sub(t.gone) < outlived
}

// Left notes that the process has left its terminal by itself (-f): nothing that happens to that is its business any more.
func (t *Terminal) Left() {
	if t.tty != nil {
		t.tty.Close()
	}
	*t = Terminal{}
}

// NotifyContext is signal.NotifyContext, of which the end of the terminal is an end as well. t may be nil: then it is not.
func (t *Terminal) NotifyContext(ctx context.Context, caught ...os.Signal) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, caught...)
	if t == nil {
		return ctx, stop
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	deaf := signals.Hear(hangups)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case s := <-hangups:
				if signals.IsStop(s) || t.HungUp(time.Now()) {
					stop()
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(hangups)
		deaf()
		stop()
		<-watched
	}
}
