// Package signals has the signals of a running process, and tells one that asks again from one that was sent twice.
package signals

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Notify returns the signals of `up`. They are caught until the process ends: one that comes while it exits must not
// make a death by SIGTERM of an orderly end.
func Notify() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, Reconnect, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	Hear(signals)
	return signals
}

// OutliveLogReader keeps the process alive when whoever reads its log goes away: a write to a broken pipe on standard output
// or error ends a Go program by SIGPIPE unless somebody wants to be told of that signal (os/signal), which systemd would
// take for a clean end. The signal is caught and not ignored, because commands that we start would inherit that.
func OutliveLogReader() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// The time within which a second signal is the first one: timeout(1) and others send it to a process and then to its group. A
// person who types Ctrl-C again, as was promised, is not that fast, but does not wait for a second.
const (
	sameSignal = time.Second
	sameKey    = 250 * time.Millisecond // SIGINT
)

// Stop is how often somebody has asked us to stop. The zero value is never.
type Stop struct {
	first    time.Time // zero: not yet
	Repeated bool      // the last signal was the first one once more
}

// IsStop reports whether the signal asks to stop.
func IsStop(s os.Signal) bool { return s == syscall.SIGTERM || s == syscall.SIGINT }

// Again notes a signal to stop and reports whether it is another one than the first.
func (r *Stop) Again(s os.Signal, now time.Time) bool {
	if r.first.IsZero() {
		r.first = now
		return false
	}
	same := sameSignal
	if s == syscall.SIGINT {
		same = sameKey
	}
	r.Repeated = now.Sub(r.first) < same
	return !r.Repeated
}
