package monitor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// recentRTTs is how many round trips a status shows.
const recentRTTs = 60

// record is what a slot tells of itself. Monitor.mu guards it.
type record struct {
	state     State
	since     time.Time
	why       string
	heartbeat time.Time // when the slot last went through its loop
	ended     bool      // it never will again

	session   Session // that new connections use; nil: none
	up        time.Time
	took      time.Duration // from the start of the attempt to up
	replacing string        // why a new one is being made beside it; empty: none is
	rtt       time.Duration // of the last keepalive; 0: none yet
	echoRTT   time.Duration
	rtts      []time.Duration // of the last keepalives, oldest first
	echoVoid  string          // why the data path of the session is not probed; empty: it is, or nobody wants it

	lostAt   time.Time // when the last session was lost; zero: none was
	attempts int       // that failed since the last session
	retryAt  time.Time // of the next attempt; zero: none is planned
}

func (r *record) enter(state State, why string, now time.Time) {
	switch {
	case state == Idle || state.Carries():
		r.lostAt = time.Time{}
	case r.state.Carries():
		r.lostAt = now
	}
	if r.state != state {
		r.state, r.since = state, now
	}
	r.why = why
	if state != Waiting {
		r.retryAt = time.Time{}
	}
	if !state.Carries() {
		r.replacing = ""
	}
}

// retryAt sets the slot Waiting.
func (l *slot) retryAt(wait time.Duration, err error) {
	l.m.update(func(now time.Time) {
		l.rec.enter(Waiting, err.Error(), now)
		l.rec.retryAt = now.Add(wait)
	})
}

// attempts returns how many have failed since the last session.
func (l *slot) attempts() int {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return l.rec.attempts
}

// enter sets the slot's state.
func (l *slot) enter(state State, why string) {
	l.m.update(func(now time.Time) { l.rec.enter(state, why, now) })
}

// heartbeat notes that the slot went through its loop.
func (l *slot) heartbeat() {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.rec.heartbeat = time.Now()
}

// connected records the result of an attempt. It returns how long the slot was without a session that it had lost.
func (m *Monitor) connected(l *slot, r attemptResult) (outage time.Duration) {
	m.update(func(now time.Time) {
		rec := &l.rec
		m.counts.connects[connectKey(r.err)]++
		if r.err != nil {
			rec.attempts++
			m.failLocked(r.err, now)
			if m.tries++; m.cause.String() == "" {
				m.cause = m.failure.Text
			}
			return
		}
		switch {
		case !rec.lostAt.IsZero():
			outage = now.Sub(rec.lostAt)
			m.counts.reconnects++
		case rec.session != nil:
			m.counts.replacements++
		}
		m.setAsideLocked(l, now)
		rec.enter(Up, "", now)
		rec.session, rec.up, rec.took = r.session, now, r.took
		rec.attempts, rec.replacing, rec.rtt, rec.echoRTT, rec.echoVoid = 0, "", 0, 0, ""
	})
	return outage
}

// setAsideLocked makes the slot's session one that is being retired.
func (m *Monitor) setAsideLocked(l *slot, now time.Time) {
	rec := &l.rec
	if rec.session == nil {
		return
	}
	m.retiring = append(m.retiring, &retiring{s: rec.session, slot: l.number, up: rec.up, since: now})
	rec.session = nil
}

// partLocked takes over the last counts of a session that has ended, and forgets it.
func (m *Monitor) partLocked(l *slot, s Session, now time.Time) {
	up := now
	if l.rec.session == s {
		up, l.rec.session = l.rec.up, nil
	}
	m.retiring = slices.DeleteFunc(slices.Clone(m.retiring), func(r *retiring) bool {
		if r.s == s {
			up = r.up
		}
		return r.s == s
	})
	in, out := s.Counts()
	m.counts.bytesIn += in
	m.counts.bytesOut += out
	m.counts.sessionTime += now.Sub(up)
}

// answered records the answer to a probe.
func (m *Monitor) answered(l *slot, probe string, rtt time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.probes[probe].observe(rtt)
	if probe == echoProbe {
		l.rec.echoRTT = rtt
		return
	}
	m.history.answered(time.Now(), rtt)
	l.rec.rtt = rtt
	l.rec.rtts = append(l.rec.rtts, rtt)
	if extra := len(l.rec.rtts) - recentRTTs; extra > 0 {
		l.rec.rtts = append([]time.Duration(nil), l.rec.rtts[extra:]...)
	}
}

// echoVoid records that the data path of the slot's session cannot be probed, and says so once for the tunnel: quietly where
// the server refuses what nobody asked for by name, since few of those who see it could change it.
func (m *Monitor) echoVoid(l *slot, why error) {
	m.mu.Lock()
	l.rec.echoVoid = why.Error()
	said := m.echoSaid
	m.echoSaid = true
	m.mu.Unlock()
	if said {
		return
	}
	level := slog.LevelInfo
	switch asked := m.options().Echo.Mode != config.EchoAuto; {
	case asked:
		level = slog.LevelWarn
	case errors.Is(why, errors.ErrUnsupported):
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "no echo probes, keepalives watch the connection", "err", why)
}

// echoWorks records that the data path of the slot's session can be probed.
func (m *Monitor) echoWorks(l *slot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.rec.echoVoid, m.echoSaid = "", false
}

// unanswered records probes that were missed.
func (m *Monitor) unanswered(probe string, times int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.probes[probe].missed += uint64(times)
}

func connectKey(err error) outcome {
	if err == nil {
		return outcome{result: "ok"}
	}
	phase := fault.PhaseOf(err)
	if phase == "" {
		phase = fault.PhaseSession
	}
	return outcome{result: "error", phase: string(phase)}
}
