package monitor

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// sum adds up a list.
func sum(list []float64) (total float64) {
	for _, v := range list {
		total += v
	}
	return total
}

// What /history gives: how long the tunnel was down, why, what flowed, and how fast it answered.
func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(10 * time.Minute)
		f.session(t).set(func(s *fakeSession) { s.in, s.out = 600_000, 1200 })
		w.pass(time.Minute)
		if h := w.History(); sum(h.Day.Down) != 0 || len(h.Outages) != 0 || h.Outage != nil {
			t.Errorf("down %v, %v before there was an outage", h.Day.Down, h.Outages)
		}
		f.rule(refuse(refusedDial()))
		f.session(t).Close()
		w.pass(time.Minute)
		if down := sum(w.History().Hour.Down); down < 56 || down > 61 {
			t.Errorf("down for %v s, want a minute while it goes on", down)
		}
		if o := w.History().Outage; o == nil || o.Why.String() != "closed" || o.Attempts == 0 || !o.Ended.IsZero() {
			t.Errorf("the outage that goes on is %+v", o)
		}
		f.rule(nil)
		w.within(time.Minute, Up)
		lasted := w.Status().LastOutage.Ended.Sub(w.Status().LastOutage.Began).Seconds()
		w.pass(time.Hour)

		_, body, _ := fetch(t, Handler("", func() []*Monitor { return []*Monitor{w.Monitor} }), "GET", "/history?tunnel=db")
		var list []History
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 1 || list[0].Name != "db" {
			t.Fatalf("%v: %s", err, body)
		}
		h := list[0]
		if len(h.Outages) != 1 || h.Outages[0].Why.String() != "closed" || h.Outages[0].Attempts == 0 || h.Outage != nil {
			t.Errorf("outages %+v, %+v", h.Outages, h.Outage)
		}
		if down := sum(h.Day.Down); down < lasted-1 || down > lasted+1 {
			t.Errorf("down for %v s, want %v", down, lasted)
		}
		if len(h.Hour.Seen) != 120 || len(h.Day.Seen) > 17 || sum(h.Hour.Down) > 0 {
			t.Errorf("an hour of %d steps, down %v; a day of %d", len(h.Hour.Seen), sum(h.Hour.Down), len(h.Day.Seen))
		}
		if seen, age := sum(h.Day.Seen), time.Since(w.tunnel.began).Seconds(); seen < age-5 || seen > age+5 {
			t.Errorf("seen for %v s, want %v", seen, age)
		}
		var bytes float64
		for i, rate := range h.Day.RateIn {
			bytes += rate * h.Day.Seen[i]
		}
		if bytes < 590_000 || bytes > 610_000 {
			t.Errorf("%v bytes from the server, want 600000", bytes)
		}
		if last := len(h.Hour.RTTHigh) - 3; h.Hour.RTTHigh[last] != 0.02 || h.Hour.RTTLow[last] != 0.02 {
			t.Errorf("round trips %v to %v, want 0.02", h.Hour.RTTLow, h.Hour.RTTHigh)
		}
		if end := h.Hour.First.Add(120 * time.Duration(h.Hour.Step)); end.Before(time.Now()) || end.After(time.Now().Add(30*time.Second)) {
			t.Errorf("the hour ends at %v, now is %v", end, time.Now())
		}
		if _, body, _ := fetch(t, Handler("", func() []*Monitor { return []*Monitor{w.Monitor} }), "GET", "/history?tunnel=other"); strings.TrimSpace(body) != "[]" {
			t.Errorf("of a tunnel that there is not: %s", body)
		}
		w.finish()
	})
}

// However long a tunnel lives and however often it breaks, what is remembered has an end.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for range 60_000 { // 33 hours
		now = now.Add(2 * time.Second)
		h.measured(now, 2*time.Second, 1000, 10)
		h.over(Outage{Began: now, Ended: now})
	}
	if cap(h.hour.steps) > hourSteps || cap(h.day.steps) > daySteps || len(h.outages) > mostOutages || cap(h.outages) > 2*mostOutages {
		t.Errorf("room for %d and %d steps and %d outages", cap(h.hour.steps), cap(h.day.steps), cap(h.outages))
	}
	day := h.day.series(dayStep)
	if len(day.Seen) != daySteps || sum(day.Seen) < 23.9*3600 || day.RateIn[0] != 500 {
		t.Errorf("%d steps, %v s, %v", len(day.Seen), sum(day.Seen), day.RateIn)
	}

	now = now.Add(8 * time.Hour) // the machine slept
	h.measured(now, 2*time.Second, 0, 0)
	if day := h.day.series(dayStep); len(day.Seen) != daySteps || sum(day.Seen) > 16.1*3600 || day.Seen[daySteps-2] != 0 {
		t.Errorf("after 8 hours of sleep %v s were seen in %d steps", sum(day.Seen), len(day.Seen))
	}
	before := h.day.last
	h.measured(now.Add(-time.Hour), 2*time.Second, 0, 0) // the clock was set back
	if h.day.last != before || len(h.day.steps) != daySteps {
		t.Errorf("the clock set back: step %d, was %d", h.day.last, before)
	}
	h.measured(now.Add(-100*24*time.Hour), 2*time.Second, 0, 0)
	if len(h.day.steps) != 1 {
		t.Errorf("%d steps after a clock that was set back by months", len(h.day.steps))
	}
}

// The bar of a day has the causes of all its outages, however many there were, and not of the last 20.
func TestOutagesOfADayAreRemembered(t *testing.T) {
	causes := []foreign.Text{foreign.Line("no byte for 45s"), foreign.Line("connection reset by peer")}
	for name, pause := range map[string]time.Duration{"now and then": 20 * time.Minute, "often": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			var h history
			now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
			made, last := 0, now.Add(30*time.Hour)
			for ; now.Before(last); now = now.Add(pause) {
				cause := causes[now.Hour()%2]
				h.over(Outage{Began: now, Ended: now.Add(time.Second), Attempts: 1, Why: cause})
				made++
			}
			counted, attempts := 0, 0
			for i, o := range h.outages {
				if o.Why != causes[o.Began.Hour()%2] || o.Ended.Sub(o.Began) > dayStep || i > 0 && o.Began.Before(h.outages[i-1].Ended) {
					t.Errorf("outage %d of %d: %+v", i, len(h.outages), o)
				}
				counted, attempts = counted+max(1, o.Count), attempts+o.Attempts
			}
			if age := last.Sub(h.outages[0].Began); age < 24*time.Hour-dayStep || age > 24*time.Hour+pause+dayStep {
				t.Errorf("the oldest is %v old", age)
			}
			if want := made * 24 / 30; counted < want-2 || counted > want+12 || attempts != counted {
				t.Errorf("%d outages of %d attempts in %d, want some %d", counted, attempts, len(h.outages), want)
			}
			for _, o := range h.outages[len(h.outages)-keptOutages:] {
				if o.Count != 0 {
					t.Errorf("one of the last stands for %d", o.Count)
				}
			}
		})
	}
}

// An outage that ends in a failure is one, too.
func TestOutageBeforeAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(time.Minute)
		f.rule(refuse(refusedDial()))
		f.session(t).Close()
		w.pass(time.Minute)
		f.rule(refuse(&fault.Error{Phase: fault.PhaseHostKey, Permanent: true, Err: errors.New("changed")}))
		w.within(2*time.Minute, Failed)
		if h := w.History(); len(h.Outages) != 1 || h.Outages[0].Why.String() != "closed" || h.Outage != nil {
			t.Errorf("outages %+v, %+v", h.Outages, h.Outage)
		}
		if o := w.Status().LastOutage; o != nil {
			t.Errorf("nothing was mended, and the last outage is %+v", o)
		}
	})
}
