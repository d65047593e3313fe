package monitor

import (
	"errors"
	"time"

	"github.com/tunneld/tunneld/config"
)

const (
	firstEcho    = time.Second      // after a session is up: its forwards come first
	echoTimeout  = 10 * time.Second // an echo that takes longer has failed; also at most one EchoInterval
	echoFailures = 3                // failures in a row after which the session is replaced
)

// echo decides when to send an echo through the data path, and when that path has failed. It knows no goroutine and no
// clock.
//
// Failures count only while the server answers otherwise, for else the transport is to blame, which is pulse's to find. A
// session whose echo never came back is reported but not replaced: the next would be no better.
type echo struct {
	interval time.Duration // 0: no echo probes, or the server offers no way
	timeout  time.Duration

	at     time.Time // of the next one
	asked  time.Time // when the one on its way was sent; zero: none is
	late   bool      // the one on its way has failed already
	failed int       // failures in a row
	worked bool      // one has come back on this session
	cause  error     // of the last failure
}

var errEchoLate = errors.New("nothing came back")

func newEcho(o *config.Options, now time.Time) echo {
	e := echo{interval: o.EchoInterval, at: now.Add(firstEcho)}
	if o.Echo.Mode == config.EchoOff {
		e.interval = 0
	}
	e.timeout = min(e.interval, echoTimeout)
	return e
}

// send tells whether an echo is to be sent now, and counts it.
func (e *echo) send(now time.Time) bool {
	if e.interval == 0 || now.Before(e.at) {
		return false
	}
	e.at = now.Add(e.interval)
	stuck := !e.asked.IsZero()
	e.asked, e.late = now, false
	return !stuck // one that is stuck fails anew in each interval
}

// expired tells whether the echo on its way fails now, which it does once.
func (e *echo) expired(now time.Time) bool {
	if e.asked.IsZero() || e.late || now.Before(e.asked.Add(e.timeout)) {
		return false
	}
	e.late = true
	return true
}

// answered takes over the result of the echo on its way, and tells whether it failed just now.
func (e *echo) answered(err error) (failed bool) {
	late := e.late
	e.asked, e.late = time.Time{}, false
	switch {
	case err == nil:
		e.failed, e.worked, e.cause = 0, true, nil
		return false
	case errors.Is(err, errors.ErrUnsupported):
		e.interval, e.failed = 0, 0
		return false
	}
	return !late
}

// fail counts a failure of the data path.
func (e *echo) fail(cause error) { e.failed, e.cause = e.failed+1, cause }

// broken tells whether a new session is the way to mend the data path.
func (e *echo) broken() bool { return e.worked && e.failed >= echoFailures }

// next gives the time at which something is to be done or decided; zero: no such time.
func (e *echo) next() time.Time {
	if e.interval == 0 {
		return time.Time{}
	}
	if e.asked.IsZero() || e.late {
		return e.at
	}
	return sooner(e.at, e.asked.Add(e.timeout))
}
