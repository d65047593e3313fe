package monitor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// lane holds one session after the other. Its fields belong to the goroutine that runs it, except rec and waiters, which
// Monitor.mu guards, and the channels.
type lane struct {
	m      *Monitor
	number int // from 1
	log    *slog.Logger
	kick   chan kick     // of one
	ask    chan struct{} // of one: waiters may have grown
	ticker *time.Ticker
	decide func(Ended) (time.Duration, error)

	attempt *attempt // that runs; nil: none does
	starts  int      // attempts since the beginning
	kicked  bool     // since the last decision

	rec     record
	waiters []waiter // of Reconnect
}

func newLane(m *Monitor, number int, now time.Time) *lane {
	l := &lane{
		m:      m,
		number: number,
		log:    m.log,
		kick:   make(chan kick, 1),
		ask:    make(chan struct{}, 1),
		decide: m.cfg.Decide,
		rec:    record{state: Idle, since: now, turned: now},
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

// run is the life of a lane: State draws it.
func (l *lane) run(ctx context.Context, end context.CancelCauseFunc) {
	l.ticker = time.NewTicker(turnEvery)
	defer l.ticker.Stop()
	defer l.end()
	for l.rest(ctx) {
		ended := l.once(ctx)
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

// rest stays Idle until the lane is wanted. It tells false where ctx ended first.
func (l *lane) rest(ctx context.Context) bool {
	if l.number > 1 && !l.idle(ctx, l.m.first, "waits for the first session") {
		return false
	}
	return l.idle(ctx, l.m.gate.awake(), "nobody uses it")
}

func (l *lane) idle(ctx context.Context, until <-chan struct{}, why string) bool {
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
		case <-l.kick:
		case <-l.ask:
			l.resolveAll(nil)
		case <-l.ticker.C:
			l.turned()
		}
	}
}

// once makes a session and minds it and its successors. It gives how the last of them ended.
func (l *lane) once(ctx context.Context) Ended {
	begun := time.Now()
	s, err := l.connect(ctx)
	ended := Ended{Err: err}
	if err == nil {
		ended.Lived, ended.Err = l.watch(ctx, s)
	}
	ended.Took = time.Since(begun)
	ended.Starts, ended.EverUp, ended.Kicked = l.starts, l.m.wasUp(), l.kicked
	l.kicked = false
	return ended
}

// wait stays Waiting for so long, or until a kick. A key that was refused is not mended by a kick; only a person's
// Reconnect tries it early, who may have asked before.
func (l *lane) wait(ctx context.Context, ended Ended, wait time.Duration) {
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
		case <-l.m.gate.asleep():
			return
		case <-timer.C:
			return
		case <-l.ask:
			if l.awaited() {
				return
			}
		case k := <-l.kick:
			if !fault.IsPermanent(ended.Err) || fault.PhaseOf(ended.Err) == fault.PhaseHandshake {
				l.kicked = true
				l.log.Info("trying now", "why", k.why)
				return
			}
		case <-l.ticker.C:
			l.turned()
		}
	}
}

// report logs the end of an attempt or of a session, and what comes next.
func (l *lane) report(e Ended, wait time.Duration) {
	next := Waiting
	if wait <= 0 {
		next = Connecting
	}
	attrs := []any{"state", next, "err", e.Err, "phase", fault.PhaseOf(e.Err), "retry_in", Round(wait)}
	event := "connection lost"
	if e.Lived > 0 {
		l.m.update(func(now time.Time) { l.m.failLocked(e.Err, now) })
		attrs = append(attrs, "lived", Round(e.Lived))
	} else {
		event = "connecting failed"
		attrs = append(attrs, "attempt", l.attempts(), "took", Round(e.Took))
	}
	if hint := fault.HintOf(e.Err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	l.log.Warn(event, attrs...)
}

// fail ends the lane, or parks it until a person asks while another lane lives: then it tells true where it is to go on.
// The error of the last lane is Run's, which is why it is not logged here.
func (l *lane) fail(ctx context.Context, err error, end context.CancelCauseFunc) bool {
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
	l.log.Error("lane failed", attrs...)
	for {
		select {
		case <-ctx.Done():
			return false
		case <-l.kick:
		case <-l.ask:
			if l.awaited() {
				return true
			}
		case <-l.ticker.C:
			l.turned()
		}
	}
}

// end leaves the lane in its final state.
func (l *lane) end() {
	l.dropAttempt()
	l.m.update(func(now time.Time) {
		if l.rec.state != Failed {
			l.rec.enter(Stopped, errStopped.Error(), now)
		}
		l.rec.ended = true
	})
	l.resolveAll(ErrStopped)
}
