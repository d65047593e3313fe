package monitor

import (
	"math"
	"slices"
	"time"
)

// What is remembered of a tunnel: some 10 KiB; some 50 of one that breaks every few minutes.
const (
	hourStep    = 30 * time.Second
	dayStep     = 5 * time.Minute
	hourSteps   = int(time.Hour / hourStep)
	daySteps    = int(24 * time.Hour / dayStep)
	keptOutages = 20                     // however old they are
	mostOutages = keptOutages + daySteps // of the last 24 hours
	maxWhy      = 160                    // bytes of the cause of a remembered outage
)

// History is what GET /history gives of a tunnel: how it was in the last 24 hours, as far as its process is as old. It is kept
// in memory alone.
type History struct {
	Name    string   `json:"name"`
	Hour    Series   `json:"hour"`             // in steps of 30 s
	Day     Series   `json:"day"`              // in steps of 5 min
	Outages []Outage `json:"outages"`          // those that are over, oldest first: the last 20, and those of the last 24 hours
	Outage  *Outage  `json:"outage,omitempty"` // the one that goes on; nil: none does
}

// Series is what was measured in steps of equal length, up to now. Its lists have an element for each step.
type Series struct {
	Step    Seconds   `json:"step_seconds"`
	First   time.Time `json:"first,omitzero"`   // when the first step began
	Seen    []float64 `json:"seen_seconds"`     // of each step: less than Step at the start and now, and where the machine slept
	Down    []float64 `json:"down_seconds"`     // in which the tunnel was wanted and down
	RateIn  []float64 `json:"rate_in"`          // bytes a second on the wire
	RateOut []float64 `json:"rate_out"`         //
	RTTLow  []float64 `json:"rtt_low_seconds"`  // the shortest round trip of a keepalive; 0: none was answered
	RTTHigh []float64 `json:"rtt_high_seconds"` // and the longest
}

// history is what a Monitor remembers. Monitor.mu guards it.
type history struct {
	hour, day ring
	outages   []Outage
	accounted time.Time // up to when the time that the tunnel is down is in the rings
}

// ring holds the last steps of equal length.
type ring struct {
	last  int64 // number of the last step: the Unix time at which it began, in steps
	steps []step
}

// step is what was measured in one step. 32 bits are enough to draw it.
type step struct{ seen, down, in, out, low, high float32 }

// at returns the step of that time: the last one where the clock was set back a little. Steps in which nothing was measured are
// made as well.
func (r *ring) at(now time.Time, length time.Duration, most int) *step {
	number := now.Unix() / int64(length/time.Second)
	if ahead := number - r.last; len(r.steps) == 0 || ahead > int64(most) || ahead < -int64(most) {
		r.steps, r.last = append(r.steps[:0], step{}), number
	}
	for ; r.last < number; r.last++ {
		switch size := len(r.steps); {
		case size == most:
			r.steps = append(r.steps[:0], r.steps[1:]...)
		case size == cap(r.steps):
			r.steps = append(make([]step, 0, min(most, 2*size)), r.steps...)
		}
		r.steps = append(r.steps, step{})
	}
	return &r.steps[len(r.steps)-1]
}

// note changes the step of now in both rings.
func (h *history) note(now time.Time, change func(*step)) {
	change(h.hour.at(now, hourStep, hourSteps))
	change(h.day.at(now, dayStep, daySteps))
}

// measured notes the bytes of a time that has just gone by.
func (h *history) measured(now time.Time, elapsed time.Duration, in, out uint64) {
	h.note(now, func(s *step) {
		s.seen += float32(elapsed.Seconds())
		s.in += float32(in)
		s.out += float32(out)
	})
}

func (h *history) answered(now time.Time, rtt time.Duration) {
	seconds := float32(rtt.Seconds())
	h.note(now, func(s *step) {
		if s.low == 0 || seconds < s.low {
			s.low = seconds
		}
		s.high = max(s.high, seconds)
	})
}

// down notes that the tunnel has been down since then.
func (h *history) down(since, now time.Time) {
	seconds := float32(now.Sub(later(since, h.accounted)).Seconds())
	h.accounted = now
	h.note(now, func(s *step) { s.down += max(0, seconds) })
}

// over remembers an outage. Of those before the last 20, several of one cause are one where they are in one step of the day.
func (h *history) over(o Outage) {
	o.Why = o.Why.Short(maxWhy)
	h.outages = append(h.outages, o)
	if old := len(h.outages) - keptOutages - 1; old > 0 && h.outages[old-1].join(h.outages[old]) {
		h.outages = slices.Delete(h.outages, old, old+1)
	}
	extra := max(0, len(h.outages)-mostOutages)
	for len(h.outages)-extra > keptOutages && o.Ended.Sub(h.outages[extra].Ended) > 24*time.Hour {
		extra++
	}
	h.outages = slices.Delete(h.outages, 0, extra)
}

// join makes o stand for the next outage as well, where both are of one cause and in one step of the day.
func (o *Outage) join(next Outage) bool {
	step := func(t time.Time) int64 { return t.Unix() / int64(dayStep/time.Second) }
	if o.Why != next.Why || step(o.Began) != step(next.Ended) {
		return false
	}
	o.Ended, o.Attempts, o.Count = next.Ended, o.Attempts+next.Attempts, max(1, o.Count)+max(1, next.Count)
	return true
}

// noteDownLocked accounts for the outage that goes on, if one does.
func (m *Monitor) noteDownLocked(now time.Time) {
	if m.runningLocked() != nil {
		m.history.down(m.downAt, now)
	}
}

// History returns how the tunnel was.
func (m *Monitor) History() History {
	m.mu.Lock()
	defer m.mu.Unlock()
	running := m.runningLocked()
	if running != nil {
		running.Why = running.Why.Short(maxWhy)
	}
	return History{
		Name:    m.cfg.Name,
		Hour:    m.history.hour.series(hourStep),
		Day:     m.history.day.series(dayStep),
		Outages: append([]Outage{}, m.history.outages...),
		Outage:  running,
	}
}

func (r *ring) series(length time.Duration) Series {
	n := len(r.steps)
	s := Series{Step: Seconds(length), Seen: make([]float64, n), Down: make([]float64, n), RateIn: make([]float64, n),
		RateOut: make([]float64, n), RTTLow: make([]float64, n), RTTHigh: make([]float64, n)}
	if n > 0 {
		s.First = time.Unix((r.last-int64(n)+1)*int64(length/time.Second), 0)
	}
	for i, one := range r.steps {
		s.Seen[i], s.Down[i] = rounded(one.seen, 1), rounded(min(one.down, one.seen), 1)
		if one.seen > 0 {
			s.RateIn[i], s.RateOut[i] = rounded(one.in/one.seen, 0), rounded(one.out/one.seen, 0)
		}
		s.RTTLow[i], s.RTTHigh[i] = rounded(one.low, 6), rounded(one.high, 6)
	}
	return s
}

// rounded returns x with so many digits behind the point.
func rounded(x float32, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(float64(x)*scale) / scale
}
