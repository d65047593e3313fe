package monitor

import (
	"fmt"
	"strings"
	"time"
)

// telling decides what the log says of the attempts of a slot that fail one after the other. Each is told in the first minute of an
// outage, and later each that fails for a new reason; the rest is summed up now and then. The zero value is that of no outage.
type telling struct {
	began time.Time       // of the first attempt that failed; zero: none has since the last session
	due   int             // index of the next sum in sumsAfter
	told  map[string]bool // reasons of this outage
	hints map[string]bool // that were given, and are not given again
}

const (
	eachFor     = time.Minute // how long each attempt is told
	mostReasons = 20          // of an outage that are told: a text may be another one each time
)

// sumsAfter is how long an outage has lasted when it is summed up, the last entry being the step from there on.
var sumsAfter = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}

// failed notes that an attempt has failed, begun at that time. It returns what to say of it; empty: nothing.
func (t *telling) failed(begun, now time.Time, attempt int, reason string) string {
	if t.began.IsZero() {
		t.began, t.told = begun, make(map[string]bool)
	}
	down := now.Sub(t.began)
	fresh := !t.told[reason] && len(t.told) < mostReasons
	if fresh {
		t.told[reason] = true
	}
	sum := t.sum(down)
	switch {
	case down < eachFor, fresh:
		return "connecting failed"
	case sum:
		return fmt.Sprintf("still down after %s, attempt %d", plainSpan(down), attempt)
	}
	return ""
}

// sum reports whether it is time to sum up.
func (t *telling) sum(down time.Duration) bool {
	last := len(sumsAfter) - 1
	at := func(i int) time.Duration {
		return sumsAfter[min(i, last)] + time.Duration(max(0, i-last))*sumsAfter[last]
	}
	due := false
	for ; down >= at(t.due); t.due++ {
		due = true
	}
	return due
}

// connected notes that the outage is over.
func (t *telling) connected() { t.began, t.due, t.told = time.Time{}, 0, nil }

// lost notes that a session has ended: after one that proved that the cause was mended, a hint is given anew.
func (t *telling) lost(lived time.Duration) {
	if lived >= settled {
		t.hints = nil
	}
}

// once returns a hint, or nothing where it was given before.
func (t *telling) once(hint string) string {
	if t.hints[hint] || len(t.hints) >= mostReasons {
		return ""
	}
	if t.hints == nil {
		t.hints = make(map[string]bool)
	}
	t.hints[hint] = true
	return hint
}

// plainSpan returns a time as people say it: 3h, 1h30m, 5m.
func plainSpan(d time.Duration) string {
	text := d.Truncate(time.Minute).String()
	text = strings.TrimSuffix(text, "0s")
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
