package monitor

import (
	"errors"
	"fmt"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel/fault"
)

const (
	firstProbe  = time.Second            // after a session is up: its forwards come first
	longestLead = 30 * time.Second       // before the end of an interval a probe is sent, at most
	atOnce      = 500 * time.Millisecond // is how soon an answer comes from a server that needs less time
	leastTime   = time.Second            // which it has at least
	leastTimes  = 10                     // and as a multiple of what its answers took
	patience    = 5 * time.Second        // with a server that is silent, before a better connection is looked for
	stale       = 500 * time.Millisecond // bytes read so soon after a nudge may have been sent before it
	together    = 500 * time.Millisecond // between the moments at which probes are sent, those of all tunnels
	overslept   = time.Second            // a turn this late means that we did not run, so that silence proves nothing
)

// keepalive decides when to ask a server whether it lives, and when it does not. It knows no goroutine and no clock.
//
// Silence is counted in ServerAliveIntervals since the last byte of any kind, as OpenSSH counts (clientloop.c,
// client_wait_until_can_do_something). Each interval that ends in silence is a missed probe, and ServerAliveCountMax of
// them are death: interval × count after the last byte, where OpenSSH takes one interval more. So that each has a fair
// chance, the probe is sent before its interval ends: by half of it, at most half a minute.
//
//	15 s × 3:  last byte 0   probes 7.5, 22.5, 37.5   missed 15, 30   dead 45
//
// Death also needs a probe that waited for so long: a process that did not run for a while has heard nothing, which says
// nothing about the server.
//
// A server that answered the last probe at once is asked later, and so less often: ten times as long before the end of the interval as
// its last two answers took, a second at least, in which TCP sends three times what was lost; half as long as another one at most. Of the
// moments above only that one moves.
//
// The first probe in a silence comes up to half a second earlier, that to a quick server up to two, so that many tunnels ask at the same
// moment.
//
// An echo that is about to be sent anyway asks as well: then the first probe waits for half a second, and is not sent where anything comes.
//
// One probe goes out soon after the start, so that a status has a round trip to show.
//
// A nudge asks at once. Its probe may be answered by any byte, except one that may have been on its way before.
type keepalive struct {
	interval time.Duration // 0: asks only when nudged
	count    int           // missed probes that are death, at least 1
	lead     time.Duration // a probe is sent this long before its interval ends

	first time.Time        // of the probe after the start; zero: sent
	read  time.Time        // what the session said last; may lack a monotonic reading
	heard time.Time        // when the last byte came, by our own clock
	slots int              // of the probes since then, how many have had their time
	asked time.Time        // when the probe on its way was sent; zero: none is
	quick bool             // the last probe was answered at once
	took  [2]time.Duration // that it was, and the one before

	spared time.Time // no first probe before that: an echo asks

	nudged time.Time // when a nudge asked that is not answered yet; zero: none
	why    string    // of that nudge
	strict bool      // it has one interval to live
}

func newKeepalive(o *config.Options, now time.Time) keepalive {
	p := keepalive{
		interval: o.ServerAliveInterval,
		count:    max(1, o.ServerAliveCountMax),
		lead:     min(o.ServerAliveInterval/2, longestLead),
		heard:    now,
	}
	if p.interval > 0 {
		p.first = now.Add(firstProbe)
	}
	return p
}

// hear takes over when the session last read a byte. A wall clock that was set meanwhile can make that look later than
// now, which is then all we know.
func (p *keepalive) hear(read, now time.Time) {
	if read.Equal(p.read) {
		return
	}
	p.read = read
	p.alive(now.Add(-max(0, now.Sub(read))))
}

// answered notes that the probe has come back.
func (p *keepalive) answered(now time.Time) {
	p.took[1], p.took[0] = p.took[0], now.Sub(p.asked)
	p.quick = p.took[0] <= atOnce
	p.asked = time.Time{}
	p.nudged = time.Time{}
	p.alive(now)
}

// withdrawn notes that the probe was given up by ourselves.
func (p *keepalive) withdrawn() { p.asked = time.Time{} }

func (p *keepalive) alive(at time.Time) {
	if at.After(p.heard) {
		p.heard, p.slots = at, 0
	}
	if at.After(p.nudged.Add(stale)) {
		p.nudged = time.Time{}
	}
}

// nudge asks now. A second nudge does not prolong the first; a strict one makes it strict.
func (p *keepalive) nudge(why string, strict bool, now time.Time) {
	if p.nudged.IsZero() {
		p.nudged, p.why, p.strict = now, why, false
	}
	p.strict = p.strict || strict
}

// slept notes that we did not run until now: what came meanwhile may not have been read yet.
func (p *keepalive) slept(now time.Time) {
	p.heard, p.slots = now, 0
	if !p.asked.IsZero() {
		p.asked = now
	}
}

// send reports whether a probe is to be sent now, and counts it. At most one is on its way at any time: x/crypto queues the
// next one behind it, and TCP delivers the first or none.
func (p *keepalive) send(now time.Time) bool {
	wanted := !p.nudged.IsZero()
	if !p.first.IsZero() && !now.Before(p.first) {
		p.first, wanted = time.Time{}, true
	}
	for p.interval > 0 && p.slots < p.count && !now.Before(p.slot()) {
		p.slots++
		wanted = true
	}
	if !wanted || !p.asked.IsZero() {
		return false
	}
	p.asked = now
	return true
}

// slot returns the time of the next probe in an unbroken silence.
func (p *keepalive) slot() time.Time {
	at := p.heard.Add(time.Duration(p.slots+1)*p.interval - p.lead)
	if p.slots > 0 {
		return at
	}
	if beats := together; p.lead > 2*beats {
		if p.isQuick() {
			at, beats = at.Add(p.lead-p.quickLead()), turnEvery
		}
		at = beat.Last(at, beats)
	}
	return later(at, p.spared)
}

// isQuick reports whether the server is asked later than others.
func (p *keepalive) isQuick() bool { return p.quick && p.count > 1 && p.lead >= leastTime+turnEvery }

// quickLead returns how long before the end of the interval it is asked.
func (p *keepalive) quickLead() time.Duration {
	return min(p.lead/2, max(leastTime, leastTimes*max(p.took[0], p.took[1])))
}

// spare reports whether an echo that is sent now will do as the first probe in a silence, which is due, and waits for that.
func (p *keepalive) spare(now time.Time) bool {
	if p.interval == 0 || p.slots > 0 || !p.isQuick() || !p.asked.IsZero() || !p.nudged.IsZero() || now.Before(p.slot()) {
		return false
	}
	p.spared = now.Add(atOnce)
	return true
}

// missed returns how many intervals have ended in silence.
func (p *keepalive) missed(now time.Time) int {
	if p.interval == 0 || p.asked.IsZero() {
		return 0
	}
	return int(now.Sub(p.heard) / p.interval)
}

// unanswered reports whether a nudge has not been answered for as long as we are patient.
func (p *keepalive) unanswered(now time.Time) bool {
	return !p.nudged.IsZero() && !now.Before(p.nudged.Add(p.patience()))
}

func (p *keepalive) patience() time.Duration {
	if p.interval == 0 {
		return patience
	}
	return min(p.interval, patience)
}

// dead returns why the server counts as dead now, or nil.
func (p *keepalive) dead(now time.Time) error {
	switch death, why := p.death(); {
	case death.IsZero() || now.Before(death):
		return nil
	case why != "":
		return silent("no answer for %s after a nudge (%s)", Round(now.Sub(p.nudged)), why)
	default:
		return silent("no byte for %s, %d keepalives missed", Round(now.Sub(p.heard)), p.count)
	}
}

// death returns the time at which the server will count as dead if nothing is heard, and the nudge that decides it, if one
// does. Zero: as things stand, never.
func (p *keepalive) death() (at time.Time, nudge string) {
	if p.asked.IsZero() {
		return time.Time{}, ""
	}
	if p.interval > 0 {
		at = later(p.heard.Add(time.Duration(p.count)*p.interval), p.asked.Add(p.lead))
	}
	if !p.nudged.IsZero() && p.strict {
		grace := p.interval
		if grace == 0 {
			grace = patience
		}
		if strict := p.nudged.Add(grace); at.IsZero() || strict.Before(at) {
			return strict, p.why
		}
	}
	return at, ""
}

// next returns the time at which something is to be done or decided; zero: no such time. It is never in the past once send
// and dead have been asked.
func (p *keepalive) next(now time.Time) time.Time {
	at, _ := p.death()
	at = sooner(at, p.first)
	if p.interval > 0 && p.slots < p.count {
		at = sooner(at, p.slot())
	}
	if !p.nudged.IsZero() && !p.unanswered(now) {
		at = sooner(at, p.nudged.Add(p.patience()))
	}
	return at
}

// ErrSilent is what the end of a session wraps that did not answer.
var ErrSilent = errors.New("the server does not answer")

func silent(format string, args ...any) error {
	return &fault.Error{Phase: fault.PhaseSession, Err: &fault.PlainError{Text: fmt.Sprintf(format, args...), Err: ErrSilent}}
}

func lost(format string, args ...any) error {
	return &fault.Error{Phase: fault.PhaseSession, Err: fmt.Errorf(format, args...)}
}
