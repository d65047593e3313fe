package monitor

import (
	"math/rand/v2"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// Ended is how an attempt or a session came to its end: what Decide decides on.
type Ended struct {
	Err    error         // why; never nil
	Lived  time.Duration // how long the session was up; 0: the attempt failed
	Took   time.Duration // from the start of the attempt to this end
	EverUp bool          // the tunnel has been up before
	Nudged bool          // a nudge came meanwhile, or began the attempt
}

const (
	settled       = 10 * time.Second       // a session that lived this long has proved that the server takes us
	firstWait     = 500 * time.Millisecond // the wait that doubles
	maxShortLived = 8                      // sessions in a row that may end young before their ends count as failures
)

// Backoff returns the default for Config.Decide, for one slot: what permanent errors and waits of at most max make of an end.
// max is asked each time.
func Backoff(max func() time.Duration) func(Ended) (time.Duration, error) {
	b := &backoff{}
	return func(e Ended) (time.Duration, error) {
		b.max = max()
		return b.decide(e)
	}
}

// backoff spaces attempts: the first retry comes at once, then after half a second that doubles up to max, each ±50 %, for
// ever. A session that settled starts it anew, and so does a nudge; one that lived shorter does so in proportion, and its time
// counts towards the wait. A few sessions in a row that ended young are forgiven: a link that is cut again and again comes
// back at once each time, while a server that lets us in and hangs up soon meets longer waits. A session that we ended
// because a forward was refused is not: the next one will hardly fare better. The zero value of all but max is ready.
type backoff struct {
	max        time.Duration // longest wait; positive
	failures   int           // attempts in a row without a settled session
	shortLived int           // sessions in a row that did not settle
}

// decide returns the wait before the next attempt, or the error that ends the slot. A refused authentication is final only
// where no session was ever up: later it is a server in trouble as often as a key withdrawn, so it is tried at the longest
// wait. So is a handshake that found no common algorithm: nothing proves who said so before the host key is known, and
// anybody on the path could end a tunnel for good.
func (b *backoff) decide(e Ended) (time.Duration, error) {
	permanent, phase := fault.IsPermanent(e.Err), fault.PhaseOf(e.Err)
	switch {
	case permanent && e.EverUp && (phase == fault.PhaseAuth || phase == fault.PhaseHandshake):
		return b.jitter(b.longest()), nil
	case permanent:
		return 0, e.Err
	case e.Nudged:
		b.failures, b.shortLived = 0, 0
	default:
		b.failures, b.shortLived = unsettled(b.failures, e.Lived), unsettled(b.shortLived, e.Lived)
	}
	if e.Lived > 0 && phase != fault.PhaseForward {
		if b.shortLived++; b.shortLived <= maxShortLived {
			b.failures = 0
		}
	}
	b.failures++
	return max(0, b.wait()-e.Lived), nil
}

// unsettled returns what is left of a count after a session that lived so long.
func unsettled(count int, lived time.Duration) int {
	return count - int(float64(count)*min(1, lived.Seconds()/settled.Seconds()))
}

// wait returns the wait after so many failures in a row.
func (b *backoff) wait() time.Duration {
	if b.failures <= 1 {
		return 0
	}
	doubled := firstWait << min(b.failures-2, 30)
	return b.jitter(min(doubled, b.longest()))
}

// longest leaves room for the jitter, so that no wait is longer than max.
func (b *backoff) longest() time.Duration { return b.max * 2 / 3 }

func (b *backoff) jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + rand.Float64()))
}
