package integration

import (
	"strings"
	"testing"
	"time"
)

// A machine that slept: the clock that goes on meanwhile (CLOCK_BOOTTIME) is ahead of where it was. A server that does not
// answer within one ServerAliveInterval from then is dead; one that answers is left alone.
func TestSleepIsLookedInto(t *testing.T) {
	t.Parallel()
	l := newLab(t, "ServerAliveInterval 2", "ServerAliveCountMax 100", "TunneldEcho off")
	r := localRoute(t, startTarget(t, echo).address())
	c, clock := l.startWithClock(r.flags...)
	waitUp(t, c, 0)
	check(t, r.works(patience))

	from := c.mark()
	clock.sleep(time.Hour)
	woke := c.waitLine(t, from, patience, "machine woke", said("machine woke"))
	if took := waitOf(woke, "took"); took < time.Hour-time.Second || took > time.Hour+time.Minute {
		t.Errorf("slept for %v, it says", took)
	}
	c.waitLine(t, from, patience, "probing", func(l line) bool {
		return l.field("msg") == "probing now" && strings.HasPrefix(l.field("why"), "slept")
	})
	check(t, r.works(patience))
	if lost := c.matching(isLost); len(lost) > 0 {
		t.Fatalf("a living connection was given up: %s", lost[0].text)
	}

	l.relay.freeze()
	from = c.mark()
	clock.sleep(8 * time.Hour)
	slept := time.Now()
	lost := waitLost(t, c, from, patience)
	if took := lost.at.Sub(slept); took > 5*time.Second { // a look at the clocks each second, and one interval
		t.Errorf("noticed %v after waking", took)
	}
	if !strings.Contains(lost.field("err"), "slept 8h") {
		t.Errorf("the log does not tell of the sleep: %s", lost.text)
	}
	l.relay.thaw()
	check(t, r.works(patience))
}

// waitOf gives a duration of a log line.
func waitOf(l line, key string) time.Duration {
	d, _ := l.fields[key].(float64)
	return time.Duration(d)
}
