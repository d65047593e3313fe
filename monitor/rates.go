package monitor

import (
	"context"
	"slices"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel"
)

// rates is how fast bytes flow: of the tunnel on the wire, and of each forward.
type rates struct {
	wire     rate
	forwards []forwardRate
	carried  uint64 // bytes of connections, of the sessions that there were
	moved    bool   // since the sample before
}

// forwardRate is the rate of the forward that this is the argument of.
type forwardRate struct {
	kind config.Kind
	spec string
	rate
}

// rate is what a counter of bytes was, and bytes a second since the sample before.
type rate struct {
	lastIn, lastOut uint64
	in, out         float64
}

// of returns the rates of these forwards, in their order: since they were measured some may have come, gone, or changed places. Of several
// that are alike the order counts.
func (r rates) of(forwards []tunnel.ForwardStatus) []rate {
	list, rest := make([]rate, len(forwards)), slices.Clone(r.forwards)
	for i, f := range forwards {
		at := slices.IndexFunc(rest, func(known forwardRate) bool { return known.kind == f.Kind && known.spec == f.Spec })
		switch {
		case at == 0: // as nearly always
			list[i], rest = rest[0].rate, rest[1:]
		case at > 0:
			list[i] = rest[at].rate
			rest = slices.Delete(rest, at, at+1)
		}
	}
	return list
}

func (r rate) next(in, out uint64, elapsed time.Duration) rate {
	return rate{
		lastIn: in, lastOut: out,
		in:  float64(in-min(in, r.lastIn)) / elapsed.Seconds(),
		out: float64(out-min(out, r.lastOut)) / elapsed.Seconds(),
	}
}

// still reports whether nothing flowed through the forwards.
func (r rates) still() bool {
	return !r.moved && !slices.ContainsFunc(r.forwards, func(f forwardRate) bool { return !f.still() })
}

func (r rate) still() bool { return r.in == 0 && r.out == 0 }

// NewWheel returns a wheel for Config.
func NewWheel() *beat.Wheel { return beat.NewWheel(turnEvery) }

// sample has rates measured until done is closed, and annexes watched until ctx ends.
func (m *Monitor) sample(ctx context.Context, done <-chan struct{}) {
	wheel := m.cfg.Wheel
	if wheel == nil {
		wheel = NewWheel()
	}
	last := m.began
	leave := wheel.Join(func() {
		now := time.Now()
		if elapsed := now.Sub(last); elapsed >= turnEvery/16 { // else it has just begun
			m.measure(elapsed)
			last = now
		}
	})
	defer leave()
	made, ending := m.annexes.made, ctx.Done()
	for {
		select {
		case <-done:
			if made != nil {
				close(m.annexes.over)
			}
			return
		case <-ending:
			close(m.annexes.over)
			made, ending = nil, nil
		case s := <-made:
			l := m.enlist(s)
			m.wg.Go(func() { l.watchAnnex(ctx, s) })
		}
	}
}

// measure looks at the forwards while connections carry bytes, and once more. That takes time where there are many, and most of what
// quiet tunnels have on the wire are probes.
func (m *Monitor) measure(elapsed time.Duration) {
	now := time.Now()
	m.mu.Lock()
	in, out, carried := m.wireBytesLocked()
	was := m.rates
	m.history.measured(now, elapsed, in-min(in, was.wire.lastIn), out-min(out, was.wire.lastOut))
	m.noteDownLocked(now)
	next := rates{wire: was.wire.next(in, out, elapsed), forwards: was.forwards, carried: carried, moved: carried != was.carried}
	quiet := !next.moved && was.still()
	if quiet {
		m.rates = next
	}
	m.mu.Unlock()
	if quiet {
		return
	}
	forwards := m.tunnel.Forwards()
	next.forwards = nil
	for i, r := range was.of(forwards) {
		f := forwards[i]
		next.forwards = append(next.forwards, forwardRate{f.Kind, f.Spec, r.next(f.BytesIn, f.BytesOut, elapsed)})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rates = next
}

// wireBytesLocked returns how many bytes have been on the wire since the tunnel began, and how many the connections of the sessions have
// carried that there are.
func (m *Monitor) wireBytesLocked() (in, out, carried uint64) {
	in, out = m.counts.bytesIn, m.counts.bytesOut
	add := func(s Session) {
		i, o := s.Counts()
		in, out, carried = in+i, out+o, carried+s.Carried()
	}
	for l := range m.everySlot {
		if l.rec.session != nil {
			add(l.rec.session)
		}
	}
	for _, r := range m.retiring {
		add(r.s)
	}
	return in, out, carried
}
