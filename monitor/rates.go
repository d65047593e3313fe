package monitor

import "time"

// rates is how fast bytes flow: of the tunnel on the wire, and of each forward.
type rates struct {
	wire     rate
	forwards []rate
}

// rate is what a counter of bytes was, and bytes a second since the sample before.
type rate struct {
	lastIn, lastOut uint64
	in, out         float64
}

// of returns the rate of a forward, by its place.
func (r rates) of(i int) rate {
	if i >= len(r.forwards) {
		return rate{}
	}
	return r.forwards[i]
}

func (r rate) next(in, out uint64, elapsed time.Duration) rate {
	return rate{
		lastIn: in, lastOut: out,
		in:  float64(in-min(in, r.lastIn)) / elapsed.Seconds(),
		out: float64(out-min(out, r.lastOut)) / elapsed.Seconds(),
	}
}

// sample measures rates until done is closed.
func (m *Monitor) sample(done <-chan struct{}) {
	ticker := time.NewTicker(turnEvery)
	defer ticker.Stop()
	last := m.began
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			now := time.Now()
			m.measure(now.Sub(last))
			last = now
		}
	}
}

func (m *Monitor) measure(elapsed time.Duration) {
	s, _ := m.snapshot()
	m.mu.Lock()
	defer m.mu.Unlock()
	was, now := m.rates, time.Now()
	m.history.measured(now, elapsed, s.BytesIn-min(s.BytesIn, was.wire.lastIn), s.BytesOut-min(s.BytesOut, was.wire.lastOut))
	m.noteDownLocked(now)
	m.rates = rates{wire: was.wire.next(s.BytesIn, s.BytesOut, elapsed)}
	for i, f := range s.Forwards {
		m.rates.forwards = append(m.rates.forwards, was.of(i).next(f.BytesIn, f.BytesOut, elapsed))
	}
}
