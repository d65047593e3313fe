package monitor

import (
	"context"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// retiring is a session that serves its open connections to their end.
type retiring struct {
	s     Session
	slot  int
	up    time.Time
	since time.Time
}

// retire takes out a session that has been replaced or is not wanted any more, and lets its open connections end. It does
// not block.
//
// A person who asks for a new connection does not want his transfers cut: they go on for as long as they move, whatever
// TunneldDrain is. It is what connections get that say nothing, and what all of them get once ctx is done, because then the
// program is being stopped.
//
// p is what is known of how it answers; connections that say nothing get what spare says where that is more than
// TunneldDrain.
func (l *slot) retire(ctx context.Context, s Session, p keepalive, spare spare) {
	m, begun := l.m, time.Now()
	m.wg.Go(func() {
		draining, cut := context.WithCancel(context.WithoutCancel(ctx))
		defer cut()
		m.wg.Go(func() {
			defer cut()
			l.guard(ctx, draining, s, p, spare)
		})
		err := m.tunnel.Retire(draining, s)
		m.update(func(now time.Time) { m.partLocked(l, s, now) })
		l.log.Info("old connection closed", "took", Round(time.Since(begun)), "cut", err != nil)
	})
}

// guard returns when a retiring session has had its time, or draining is done. It closes one that stops answering. The end of
// running says that the program is being stopped.
func (l *slot) guard(running, draining context.Context, s Session, p keepalive, spare spare) {
	d := drain{limit: l.m.options().Drain, spare: spare, carried: s.Carried(), moved: time.Now()}
	p.withdrawn() // the answer to a probe on its way goes to nobody
	beats := make(answers, 1)
	timer := time.NewTimer(0)
	defer timer.Stop()
	stopping, hurried := running.Done(), (<-chan struct{})(nil)
	due := time.Now() // when the next turn was to come
	for {
		select {
		case <-draining.Done():
			return
		case <-s.Done():
			return
		case <-stopping:
			stopping, hurried = nil, l.m.hurried
			d.stopped = time.Now()
		case <-hurried:
			return
		case a := <-beats:
			if a.err == nil {
				p.answered(time.Now())
			}
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(due) > overslept {
			p.slept(now)
			d.slept(now)
		}
		p.hear(s.LastRead(), now)
		if err := p.dead(now); err != nil {
			l.log.Warn("connection lost", "err", err, "phase", fault.PhaseSession, "why", "it was being retired")
			s.CloseWith(err)
			return
		}
		if s.Commands() > 0 {
			d.moved = now // somebody sits at a prompt, or waits for a command
		}
		left := d.left(s.Carried(), now)
		if left <= 0 {
			return
		}
		if p.send(now) {
			s.Ask(beats.take)
		}
		due = now.Add(min(left, turnEvery))
		timer.Reset(time.Until(due))
	}
}

// drain is how long the connections of a retiring session may go on.
type drain struct {
	limit   time.Duration // TunneldDrain
	spare   spare
	carried uint64    // bytes, at moved
	moved   time.Time // when bytes were last seen to have come or gone
	stopped time.Time // when everything was asked to stop; zero: it was not
}

// slept notes that we did not run until now: that nothing has moved meanwhile is not their doing.
func (d *drain) slept(now time.Time) { d.moved = now }

// left returns what is left of it now.
func (d *drain) left(carried uint64, now time.Time) time.Duration {
	if carried != d.carried {
		d.carried, d.moved = carried, now
	}
	if !d.stopped.IsZero() {
		return d.stopped.Add(d.limit).Sub(now)
	}
	end := d.moved.Add(max(d.limit, d.spare.quiet))
	if !d.spare.until.IsZero() {
		end = sooner(end, later(d.moved, d.spare.until).Add(d.limit))
	}
	return end.Sub(now)
}

// spare is how long connections that say nothing may go on after a replacement that nobody asked for.
type spare struct {
	quiet time.Duration
	until time.Time // TunneldDrain holds from then on; zero: never
}
