package monitor

import (
	"strings"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel"
)

// Status returns a snapshot.
func (m *Monitor) Status() Status {
	s, _ := m.snapshot()
	return s
}

// snapshot returns the status and the counters of one moment. Sessions and forwards are asked without the lock.
func (m *Monitor) snapshot() (Status, counters) {
	o := m.options()
	forwards, riders := m.tunnel.Forwards(), m.tunnel.Riders()
	m.mu.Lock()
	now := time.Now()
	s := Status{
		Name: m.cfg.Name, Alias: o.Alias, Lazy: lazy(o) > 0,
		State: m.state, Since: m.since, Began: m.began, DownSince: m.downAt,
		Reconnects: m.counts.reconnects, Replacements: m.counts.replacements, LastError: m.failure,
		LastOutage: m.lastOutage, Events: m.cfg.Events.recent(), Drain: Seconds(o.Drain),
		BytesIn: m.counts.bytesIn, BytesOut: m.counts.bytesOut,
	}
	var records, further []record
	for _, l := range m.slots {
		records = append(records, l.rec)
	}
	for _, l := range *m.further.Load() {
		further = append(further, l.rec)
	}
	retiring := append([]*retiring(nil), m.retiring...)
	counts := m.counts.clone()
	rates := m.rates
	m.mu.Unlock()

	if !s.DownSince.IsZero() {
		counts.outage += now.Sub(s.DownSince)
	}
	for i, r := range records {
		s.Sessions = append(s.Sessions, r.status(i+1))
	}
	for _, r := range further {
		s.Sessions = append(s.Sessions, r.status(0))
	}
	for _, r := range retiring {
		s.Sessions = append(s.Sessions, r.status())
	}
	for _, session := range s.Sessions {
		s.BytesIn += session.BytesIn
		s.BytesOut += session.BytesOut
		if !session.UpSince.IsZero() {
			counts.sessionTime += now.Sub(session.UpSince)
		}
	}
	s.describe(o)
	s.forward(forwards, rates)
	if m.cfg.Master != nil {
		s.Master = m.cfg.Master()
	}
	if m.cfg.Kept != nil {
		s.Kept = foreign.Line(m.cfg.Kept()).String()
	}
	s.Missing = s.Unready()
	s.Open, s.Held = s.Open+riders.Open, s.Held+riders.Held
	return s, counts
}

// describe copies what the best session says into s.
func (s *Status) describe(o *config.Options) {
	best := s.Sessions[0]
	for _, other := range s.Sessions[1:] {
		if !other.Retiring && other.Slot > 0 && other.State.rank() > best.State.rank() {
			best = other
		}
	}
	s.Why, s.Attempts, s.RetryAt = best.Why, best.Attempts, best.RetryAt
	s.RTT, s.EchoRTT, s.EchoVoid, s.RecentRTTs = best.RTT, best.EchoRTT, best.EchoVoid, best.RecentRTTs
	if s.RecentRTTs == nil {
		s.RecentRTTs = []Seconds{}
	}
	s.Server = Server{User: o.User, Host: o.HostName, Port: o.Port}
	if best.Server != nil {
		s.Server = *best.Server
	}
}

// forward copies what the forwards say into s.
func (s *Status) forward(forwards []tunnel.ForwardStatus, r rates) {
	s.RateIn, s.RateOut = r.wire.in, r.wire.out
	s.Forwards = []ForwardStatus{}
	for i, rate := range r.of(forwards) {
		f := forwards[i]
		s.Open += f.Open
		s.Held += f.Held
		s.HeldSince = sooner(s.HeldSince, f.HeldSince)
		s.Forwards = append(s.Forwards, ForwardStatus{
			Kind: strings.TrimPrefix(f.Kind.Option(), "-"), Spec: f.Kind.Option() + " " + f.Spec, State: f.State, Bound: append([]string{}, f.Bound...), Target: f.Target,
			Carried: f.Carried, RateIn: rate.in, RateOut: rate.out,
			LastError: f.LastError, FailedAt: f.FailedAt, HeldSince: f.HeldSince, Limit: f.Limit, Added: f.Added,
		})
	}
}

func (r *record) status(slot int) SessionStatus {
	s := SessionStatus{
		Slot: slot, State: r.state, Since: r.since, Why: r.why,
		Replacing: r.replacing, Attempts: r.attempts, RetryAt: r.retryAt,
	}
	if r.session == nil {
		return s
	}
	s.UpSince, s.Took = r.up, Seconds(r.took)
	s.RTT, s.EchoRTT, s.EchoVoid = Seconds(r.rtt), Seconds(r.echoRTT), r.echoVoid
	for _, rtt := range r.rtts {
		s.RecentRTTs = append(s.RecentRTTs, Seconds(rtt))
	}
	s.ask(r.session)
	return s
}

func (r *retiring) status() SessionStatus {
	s := SessionStatus{Slot: r.slot, State: Up, Since: r.since, Retiring: true, UpSince: r.up}
	s.ask(r.s)
	return s
}

// ask copies what the session itself says into s.
func (s *SessionStatus) ask(session Session) {
	server := session.Server()
	s.Server, s.Open, s.Expires = &server, session.Open(), session.Expires()
	s.BytesIn, s.BytesOut = session.Counts()
}
