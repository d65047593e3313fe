package monitor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// slot holds one session after the other. Its fields belong to the goroutine that runs it, except rec and waiters, which
// Monitor.mu guards, and the channels.
type slot struct {
	m      *Monitor
	number int // from 1
	log    *slog.Logger
	nudge  chan nudge    // of one
	ask    chan struct{} // of one: waiters may have grown
	ticker *time.Ticker
	decide func(Ended) (time.Duration, error)

	attempt *attempt // that runs; nil: none does
	nudged  bool     // since the last decision
	telling telling

	rec     record
	waiters []waiter // of Reconnect
}

func newSlot(m *Monitor, number int, now time.Time) *slot {
	l := &slot{
		m:      m,
		number: number,
		log:    m.log,
		nudge:  make(chan nudge, 1),
		ask:    make(chan struct{}, 1),
		decide: m.cfg.Decide,
		rec:    record{state: Idle, since: now, heartbeat: now},
	}
	if m.cfg.Options.Connections > 1 {
		l.log = m.log.With("session", number)
	}
	if l.decide == nil {
		l.decide = Backoff(func() time.Duration { return m.options().BackoffMax })
	}
	return l
}

var (
	errIdle    = errors.New("nobody used it")
	errStopped = errors.New("asked to stop")
)

// run is the life of a slot: State draws it.
func (l *slot) run(ctx context.Context, end context.CancelCauseFunc) {
	l.ticker = time.NewTicker(turnEvery)
	defer l.ticker.Stop()
	defer l.end()
	for l.waitWanted(ctx) {
		ended := l.runSession(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(ended.Err, errIdle) {
			continue
		}
		wait, err := l.decide(ended)
		if err != nil {
			if !l.fail(ctx, err, end) {
				return
			}
			continue
		}
		l.wait(ctx, ended, wait)
	}
}

// waitWanted stays Idle until the slot is wanted. It tells false where ctx ended first.
func (l *slot) waitWanted(ctx context.Context) bool {
	if l.number > 1 && !l.waitUntil(ctx, l.m.first, "waiting for the first connection") {
		return false
	}
	return l.waitUntil(ctx, l.m.demand.awake(), l.idleReason())
}

// idleReason says what the slot waits for.
func (l *slot) idleReason() string {
	if l.m.wasUp() {
		return "waiting for the next client"
	}
	return "waiting for the first client"
}

func (l *slot) waitUntil(ctx context.Context, until <-chan struct{}, why string) bool {
	select {
	case <-until:
		return ctx.Err() == nil
	default:
	}
	l.enter(Idle, why)
	l.resolveAll(nil) // somebody may have asked for a session that is not wanted any more
	for {
		select {
		case <-ctx.Done():
			return false
		case <-until:
			return true
		case <-l.nudge:
		case <-l.ask:
			l.resolveAll(nil)
		case <-l.ticker.C:
			l.heartbeat()
		}
	}
}

// runSession makes a session and minds it and its successors. It returns how the last of them ended.
func (l *slot) runSession(ctx context.Context) Ended {
	begun := time.Now()
	s, err := l.connect(ctx)
	ended := Ended{Err: err}
	if err == nil {
		l.telling.connected()
		ended.Lived, ended.Err = l.supervise(ctx, s)
	}
	ended.Took = time.Since(begun)
	ended.EverUp, ended.Nudged = l.m.wasUp(), l.nudged
	l.nudged = false
	return ended
}

// wait stays Waiting for so long, or until a nudge. A key that was refused is not mended by a nudge; only a person's
// Reconnect tries it early, who may have asked before.
func (l *slot) wait(ctx context.Context, ended Ended, wait time.Duration) {
	l.report(ended, wait)
	if wait <= 0 || l.awaited() {
		return
	}
	l.retryAt(wait, ended.Err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.m.demand.asleep():
			return
		case <-timer.C:
			return
		case <-l.ask:
			if l.awaited() {
				return
			}
		case k := <-l.nudge:
			if !fault.IsPermanent(ended.Err) || fault.PhaseOf(ended.Err) == fault.PhaseHandshake {
				l.nudged = true
				l.log.Info("trying now", "why", k.why)
				return
			}
		case <-l.ticker.C:
			l.heartbeat()
		}
	}
}

// report logs the end of an attempt or of a session, and what comes next.
func (l *slot) report(e Ended, wait time.Duration) {
	next := Waiting
	if wait <= 0 {
		next = Connecting
	}
	attrs := []any{"state", next, "err", e.Err, "phase", fault.PhaseOf(e.Err), "retry_in", Round(wait)}
	event, now := "connection lost", time.Now()
	if e.Lived > 0 {
		l.telling.lost(e.Lived)
		l.m.update(func(now time.Time) { l.m.failLocked(e.Err, now) })
		attrs = append(attrs, "lived", Round(e.Lived))
	} else {
		event = l.telling.failed(now.Add(-e.Took), now, l.attempts(), e.Err.Error())
		attrs = append(attrs, "attempt", l.attempts(), "took", Round(e.Took))
	}
	if event == "" {
		l.log.Debug("connecting failed again", attrs...)
		return
	}
	if hint := l.telling.once(fault.HintOf(e.Err)); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	l.log.Warn(event, attrs...)
}

// fail ends the slot, or parks it until a person asks while another slot lives: then it tells true where it is to go on.
// The error of the last slot is Run's, which is why it is not logged here.
func (l *slot) fail(ctx context.Context, err error, end context.CancelCauseFunc) bool {
	l.m.update(func(now time.Time) { l.m.failLocked(err, now) })
	l.enter(Failed, err.Error())
	l.resolveAll(err)
	if l.m.abandoned() {
		end(&gone{err})
		return false
	}
	attrs := []any{"err", err, "phase", fault.PhaseOf(err)}
	if hint := fault.HintOf(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	l.log.Error("one of the connections has failed, the others go on", attrs...)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-l.nudge:
		case <-l.ask:
			if l.awaited() {
				return true
			}
		case <-l.ticker.C:
			l.heartbeat()
		}
	}
}

// end leaves the slot in its final state.
func (l *slot) end() {
	l.dropAttempt()
	l.m.update(func(now time.Time) {
		if l.rec.state != Failed {
			l.rec.enter(Stopped, errStopped.Error(), now)
		}
		l.rec.ended = true
	})
	l.resolveAll(ErrStopped)
}
