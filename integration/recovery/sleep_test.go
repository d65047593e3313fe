package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"strings"
	"testing"
	"time"
)

// A machine that slept: the clock that goes on meanwhile (CLOCK_BOOTTIME) is ahead of where it was. A server that does not
// answer within one ServerAliveInterval from then is dead; one that answers is left alone.
func TestSleepIsLookedInto(t *testing.T) {
	t.Parallel()
	l := lab.New(t, "ServerAliveInterval 2", "ServerAliveCountMax 100", "TunneldEcho off")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c, clock := l.StartWithClock(r.Flags...)
	lab.WaitUp(t, c, 0)
	lab.Check(t, r.Works(lab.Patience))

	from := c.Mark()
	clock.Sleep(time.Hour)
	woke := c.WaitLine(t, from, lab.Patience, "machine woke", lab.Said("machine woke"))
	if took := waitOf(woke, "slept_seconds"); took < time.Hour-time.Second || took > time.Hour+time.Minute {
		t.Errorf("slept for %v, it says", took)
	}
	c.WaitLine(t, from, lab.Patience, "probing", func(l lab.Line) bool {
		return l.Field("msg") == "probing now" && strings.HasPrefix(l.Field("why"), "slept")
	})
	lab.Check(t, r.Works(lab.Patience))
	if lost := c.Matching(lab.IsLost); len(lost) > 0 {
		t.Fatalf("a living connection was given up: %s", lost[0].Text)
	}

	l.Relay.Freeze()
	from = c.Mark()
	clock.Sleep(8 * time.Hour)
	slept := time.Now()
	lost := lab.WaitLost(t, c, from, lab.Patience)
	if took := lost.At.Sub(slept); took > 10*time.Second { // a look at the clocks each second, and one interval
		t.Errorf("noticed %v after waking", took)
	}
	if !strings.Contains(lost.Field("err"), "slept 8h") {
		t.Errorf("the log does not tell of the sleep: %s", lost.Text)
	}
	l.Relay.Thaw()
	lab.Check(t, r.Works(lab.Patience))
}

// waitOf returns a duration of a log line.
func waitOf(l lab.Line, key string) time.Duration {
	d, _ := l.Fields[key].(float64)
	return time.Duration(d * float64(time.Second))
}
