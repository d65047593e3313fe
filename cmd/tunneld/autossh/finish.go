package autossh

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Signals returns the signals of autossh, and SIGQUIT.
func Signals() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	return signals
}

// atOnceTime is how long an end at once may take: the terminal is left as it was found.
const atOnceTime = 3 * time.Second

// Finish waits until rest returns, which waits for what has been started. It does not wait for long once atOnce is true, or
// another signal says so.
func Finish(rest func(), signals <-chan os.Signal, again func(os.Signal) bool, atOnce bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		rest()
	}()
	var late <-chan time.Time
	for {
		if atOnce && late == nil {
			timer := time.NewTimer(atOnceTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-done:
			return
		case <-late:
			return
		case s := <-signals:
			atOnce = atOnce || again(s)
		}
	}
}

// EndByAbort has the work end, with the terminal as it was found, before SIGABRT ends the process, which a person or a watchdog
// sends to one that hangs: Go shows then what each goroutine does. release ends this; it is nothing where there is no terminal.
func (w *Work) EndByAbort(s *Starts) (release func()) {
	if w == nil || !w.terminal {
		return func() {}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGABRT)
	released, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-released:
		case <-signals:
			s.StopWork()
			s.awaitWorked(atOnceTime)
			signal.Reset(syscall.SIGABRT, syscall.SIGQUIT) // with which Go goes from thread to thread
			syscall.Kill(syscall.Getpid(), syscall.SIGABRT)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(released)
		<-over
	}
}
