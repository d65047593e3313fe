package monitor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// annexIdle is how long a connection lives on that carries no session any more.
const annexIdle = 10 * time.Second

// annexes are the connections that serve sessions alone, beside those of the slots: for a server that allows only so many
// sessions on each (MaxSessions in sshd_config(5)). They are made when the tunnel asks for one, and never anew; else they are
// watched as the others are, each in a slot of its own. One that ought to be replaced takes no more sessions, and ends with
// its last.
type annexes struct {
	made chan Session  // to Run, which has them watched
	over chan struct{} // closed when Run takes none any more

	refused atomic.Bool // a login has failed, and none went well since

	mu       sync.Mutex // guards all following fields
	backoff  backoff
	failed   error     // of the last login; nil: it went well
	failedAt time.Time // when
	earliest time.Time // of the next login after that
}

// Annex makes a connection for sessions alone, one attempt. While it is too early after one that failed, it returns the error
// of that. It is for tunnel.OnCrowded, of the tunnel that the Monitor was made for, and may be called only while Run does.
// The connection is the Monitor's.
func (m *Monitor) Annex(ctx context.Context) (*tunnel.Session, error) {
	s, err := m.annex(ctx)
	if err != nil {
		return nil, err
	}
	real, ok := s.(connection)
	if !ok {
		s.Close()
		return nil, errors.New("not a connection of a tunnel")
	}
	return real.Session, nil
}

func (m *Monitor) annex(ctx context.Context) (Session, error) {
	begun := time.Now()
	if err := m.annexes.tooEarly(begun); err != nil {
		return nil, err
	}
	s, err := m.tunnel.Annex(ctx)
	if err == nil {
		select {
		case m.annexes.made <- s:
		case <-m.annexes.over:
			err = ErrStopped
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			s.Close()
		}
	}
	if ctx.Err() != nil {
		return s, err // nobody wants it any more, which says nothing about the server
	}
	m.tried(begun, err)
	return s, err
}

// tried takes over how a login went.
func (m *Monitor) tried(begun time.Time, err error) {
	m.mu.Lock()
	m.counts.connects[connectKey(err)]++
	m.mu.Unlock()
	if err == nil {
		m.annexes.worked()
		m.log.Info("further connection for sessions", "why", "the server allows no more on those that there are")
		return
	}
	wait, again := m.annexes.note(begun, Ended{Err: err, EverUp: true}, m.options().BackoffMax)
	level := slog.LevelWarn
	if again {
		level = slog.LevelDebug
	}
	m.log.Log(context.Background(), level, "no further connection for sessions, they are refused", "err", err, "phase", fault.PhaseOf(err), "retry_in", Round(wait))
}

// tooEarly returns why the last login failed while it is too early for another; nil: it is not.
func (a *annexes) tooEarly(now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.earliest) {
		return a.failed
	}
	return nil
}

// note takes over the end of a login, or of a connection, that began at that time. It returns how long to wait before the
// next, and whether the same has been told before. Logins side by side that fail are one failure.
func (a *annexes) note(begun time.Time, e Ended, longest time.Duration) (wait time.Duration, again bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	again = a.failed != nil && a.failed.Error() == e.Err.Error()
	if begun.Before(a.failedAt) && e.Lived == 0 {
		return time.Until(a.earliest), again
	}
	a.backoff.max = longest
	wait, final := a.backoff.decide(e)
	if final != nil {
		wait = a.backoff.longest() // what a person has to mend may be mended meanwhile
	}
	now := time.Now()
	a.refused.Store(true)
	a.failed, a.failedAt, a.earliest = e.Err, now, now.Add(wait)
	return wait, again
}

// worked notes a login that went well. That the server lets us stay, too, shows later.
func (a *annexes) worked() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused.Store(false)
	a.failed, a.earliest = nil, time.Time{}
}

// stayed notes that a connection lived so long, and was not lost.
func (a *annexes) stayed(lived time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.backoff.failures, a.backoff.shortLived = unsettled(a.backoff.failures, lived), unsettled(a.backoff.shortLived, lived)
}

// hurry has the next login tried at once: something has changed.
func (a *annexes) hurry() {
	if !a.refused.Load() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earliest = time.Time{}
}

// enlist gives s a slot of its own.
func (m *Monitor) enlist(s Session) *slot {
	l := newSlot(m, 0, time.Now())
	l.log = m.log.With("session", "further")
	m.update(func(now time.Time) {
		l.rec.enter(Up, "", now)
		l.rec.session, l.rec.up = s, now
		more := append(slices.Clone(*m.further.Load()), l)
		m.further.Store(&more)
	})
	return l
}

// isAnnex reports whether the slot is for one connection that serves sessions alone.
func (l *slot) isAnnex() bool { return l.number == 0 }

// watchAnnex returns when the connection has ended, or takes no more sessions. Where ctx ended, it is left to Tunnel.Shutdown.
func (l *slot) watchAnnex(ctx context.Context, s Session) {
	m, w := l.m, l.newWatch(s, time.Time{})
	_, err := w.supervise(ctx)
	var spent *spentError
	switch now := time.Now(); {
	case ctx.Err() != nil:
		return
	case errors.As(err, &spent), errors.Is(err, errIdle):
		l.log.Info("further connection takes no more sessions", "why", err)
		m.annexes.stayed(now.Sub(w.up))
		m.update(func(now time.Time) { m.setAsideLocked(l, now) })
		l.retire(ctx, s, w.keepalive, w.spare(now))
	default:
		lived := now.Sub(w.up)
		l.log.Warn("connection lost", "err", err, "phase", fault.PhaseOf(err), "lived", Round(lived), "why", "a further connection for sessions")
		l.discard(s, err)
		m.annexes.note(w.up, Ended{Err: err, Lived: max(lived, 1), EverUp: true}, m.options().BackoffMax)
	}
	m.update(func(time.Time) {
		left := slices.DeleteFunc(slices.Clone(*m.further.Load()), func(other *slot) bool { return other == l })
		m.further.Store(&left)
	})
}

// spentError says why a connection takes no more sessions.
type spentError struct{ why string }

func (e *spentError) Error() string { return e.why }

// spent returns why a connection for sessions alone is to end, or nil: it carries none, there is a reason for which another
// session would be replaced, or its address is gone while others are back.
func (w *supervision) spent(now time.Time) error {
	if w.s.Open() > 0 {
		w.used = now
	}
	if w.homeless {
		if w.l.m.upSince(w.keepalive.nudged) {
			return lost("%s, and a new connection is up", w.suspicion(now))
		}
		return nil
	}
	w.lookAtKeys(now)
	if why := w.reason(now); why != "" {
		return &spentError{why}
	}
	if now.Sub(w.used) > annexIdle {
		return &spentError{"it carries none"}
	}
	return nil
}

// upSince reports whether a slot has a session that is younger than that.
func (m *Monitor) upSince(t time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.slots, func(l *slot) bool { return l.rec.session != nil && l.rec.up.After(t) })
}

// everySlot goes through all that have a session to watch.
func (m *Monitor) everySlot(yield func(*slot) bool) {
	for _, l := range m.slots {
		if !yield(l) {
			return
		}
	}
	for _, l := range *m.further.Load() {
		if !yield(l) {
			return
		}
	}
}

// renewAnnexes has those that there are take no more sessions.
func (m *Monitor) renewAnnexes() {
	for _, l := range *m.further.Load() {
		l.call()
	}
	m.annexes.hurry()
}
