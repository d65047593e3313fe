package monitor

import (
	"context"
	"time"

	"github.com/tunneld/tunneld/tunnel"
)

// retiree is a session that serves its open connections to their end.
type retiree struct {
	s     Session
	lane  int
	up    time.Time
	since time.Time
}

// retire takes out a session that has been replaced or is not wanted any more, and lets its open connections go on for
// TunneldDrain. It does not block. A session that dies meanwhile is noticed as any other.
func (l *lane) retire(ctx context.Context, s Session) {
	m, o, begun := l.m, l.m.options(), time.Now()
	m.wg.Go(func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Drain)
		defer cancel()
		m.wg.Go(func() { l.guard(drain, s) })
		cut := m.tunnel.Retire(drain, s)
		m.update(func(now time.Time) { m.partLocked(l, s, now) })
		l.log.Info("old connection closed", "took", round(time.Since(begun)), "cut", cut != nil)
	})
}

// guard closes a retiring session that stops answering.
func (l *lane) guard(ctx context.Context, s Session) {
	p := newPulse(l.m.options(), time.Now())
	beats := make(chan answer, 1)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Done():
			return
		case a := <-beats:
			if a.err == nil {
				p.answered(time.Now())
			}
		case <-timer.C:
		}
		now := time.Now()
		p.hear(s.LastRead(), now)
		if err := p.dead(now); err != nil {
			l.log.Warn("connection lost", "err", err, "phase", tunnel.PhaseSession, "why", "it was being retired")
			s.CloseWith(err)
			return
		}
		if p.send(now) {
			l.m.probe(ctx, beats, s.Keepalive)
		}
		timer.Reset(turnEvery)
	}
}
