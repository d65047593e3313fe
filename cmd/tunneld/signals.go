package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// notifySignals returns the signals of `up`. They are caught until the process ends: one that comes while it exits must not
// make a death by SIGTERM of an orderly end.
func notifySignals() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	return signals
}

// outliveLogReader keeps the process alive when whoever reads its log goes away: a write to a broken pipe on standard output
// or error ends a Go program by SIGPIPE unless somebody wants to be told of that signal (os/signal), which systemd would
// take for a clean end. The signal is caught and not ignored, because commands that we start would inherit that.
func outliveLogReader() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// sameSignal is the time within which a second signal is the first one: timeout(1) and others send it to a process and then
// to its group.
const sameSignal = time.Second

// stopRequest reports whether we were asked to stop, and whether we were asked again.
type stopRequest struct {
	first    time.Time // zero: not yet
	repeated bool      // the last signal was the first one once more
}

// isStop reports whether the signal asks to stop.
func isStop(s os.Signal) bool { return s == syscall.SIGTERM || s == syscall.SIGINT }

// again notes a signal to stop and reports whether it is another one than the first.
func (r *stopRequest) again(now time.Time) bool {
	if r.first.IsZero() {
		r.first = now
		return false
	}
	r.repeated = now.Sub(r.first) < sameSignal
	return !r.repeated
}
