package monitor

import (
	"errors"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor/beat"
)

const (
	echoTimeout  = 30 * time.Second // an echo that takes longer has failed; also at most one EchoInterval. Busy links are slow
	echoFailures = 3                // failures in a row after which the session is replaced
)

// echo decides when to send an echo through the data path, and when that path has failed. It knows no goroutine and no
// clock.
//
// An echo that has failed is a doubt until a keepalive sent after it is answered: SSH keeps the order, so then it is the
// data path. While that is not answered either it is the transport, which is the keepalive's to judge. An echo that never came back
// on this session is no suspicion: the server cannot do it (its sshd cannot resolve localhost, it names the wrong port),
// and the next session would be no better. It is given up after a few failures.
type echo struct {
	interval time.Duration // 0: no echo probes, or the server offers no way
	timeout  time.Duration

	at     time.Time // of the next one
	asked  time.Time // when the one on its way was sent; zero: none is
	late   bool      // the one on its way has failed already
	doubt  error     // of a failure that is not blamed on the data path yet; nil: none
	since  time.Time // of the doubt
	failed int       // failures in a row
	worked bool      // one has come back on this session
	cause  error     // of the last failure
	void   error     // why there are no echo probes on this session; nil: there are, or nobody wants any
}

var errEchoLate = errors.New("nothing came back")

func newEcho(o *config.Options, now time.Time) echo {
	e := echo{interval: o.EchoInterval, at: now.Add(firstProbe)}
	if o.Echo.Mode == config.EchoOff {
		e.interval = 0
	}
	e.timeout = min(e.interval, echoTimeout)
	return e
}

// send reports whether an echo is to be sent now, and counts it.
func (e *echo) send(now time.Time) bool {
	if e.interval == 0 || now.Before(e.at) {
		return false
	}
	e.at = now.Add(e.interval)
	stuck := !e.asked.IsZero()
	e.asked, e.late = now, false
	return !stuck // one that is stuck fails anew in each interval
}

// early reports whether the next one may as well be sent now: nearly all of the interval is over, and nothing is wrong.
func (e *echo) early(now time.Time) bool {
	return e.together() && e.asked.IsZero() && e.doubt == nil && e.failed == 0 && !now.Before(e.at.Add(-e.interval/8))
}

// hasten has it sent now.
func (e *echo) hasten(now time.Time) { e.at = sooner(e.at, now) }

// together reports whether it is sent at the same moments as those of all tunnels.
func (e *echo) together() bool { return e.worked && e.interval >= 10*turnEvery }

// expired reports whether the echo on its way fails now, which it does once.
func (e *echo) expired(now time.Time) bool {
	if e.asked.IsZero() || e.late || now.Before(e.asked.Add(e.timeout)) {
		return false
	}
	e.late = true
	return true
}

// answered takes over the result of the echo on its way, and reports whether it failed just now.
func (e *echo) answered(err error) (failed bool) {
	late := e.late
	e.asked, e.late = time.Time{}, false
	switch {
	case err == nil:
		e.failed, e.worked, e.cause, e.doubt, e.void = 0, true, nil, nil, nil
		return false
	case errors.Is(err, errors.ErrUnsupported):
		e.interval, e.failed, e.void = 0, 0, err
		return false
	}
	return !late
}

// suspect takes over a failure that may be the data path's or the transport's.
func (e *echo) suspect(cause error, now time.Time) { e.doubt, e.since = cause, now }

// confirmed notes that a keepalive sent at that time was answered. It reports whether that makes a doubt a failure of
// the data path.
func (e *echo) confirmed(sent time.Time) bool {
	if e.doubt == nil || sent.Before(e.since) {
		return false
	}
	e.failed, e.cause, e.doubt = e.failed+1, e.doubt, nil
	if e.worked {
		return true
	}
	e.void = e.cause
	if e.failed >= echoFailures {
		e.interval = 0
	}
	return true
}

// suspicious reports whether the data path does not carry what it carried before.
func (e *echo) suspicious() bool { return e.worked && e.failed > 0 }

// broken reports whether a new session is the way to mend the data path.
func (e *echo) broken() bool { return e.worked && e.failed >= echoFailures }

// next returns the time at which something is to be done or decided; zero: no such time.
func (e *echo) next() time.Time {
	if e.interval == 0 {
		return time.Time{}
	}
	if e.asked.IsZero() || e.late {
		if e.together() {
			return beat.Last(e.at.Add(turnEvery), turnEvery) // which is the same moment for all tunnels
		}
		return e.at
	}
	return sooner(e.at, e.asked.Add(e.timeout))
}
