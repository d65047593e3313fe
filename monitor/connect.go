package monitor

import (
	"context"
	"net"
	"strconv"
	"time"
)

// freshness is the age up to which an attempt may be taken to know the network as it is. An older one is restarted when a
// nudge comes or the session ends beside which it ran: its packets may be lost, and their retransmission seconds away.
const freshness = 2 * time.Second

// attempt is a Connect that runs in a goroutine of its own, so that nobody has to wait for it.
type attempt struct {
	begun   time.Time
	version uint64 // of the options that it lives by, at least
	second  bool   // begun in place of another because of a nudge; no nudge cuts it again, or nudges in a row would starve us
	wanted  bool   // begun in place of another because somebody asked; neither do they cut it again
	cancel  context.CancelFunc
	results chan attemptResult // of one; receives exactly one value
}

type attemptResult struct {
	session Session
	err     error
	took    time.Duration
}

// startAttempt starts an attempt. Whoever takes it from l.attempt either receives from made or drops it.
func (l *slot) startAttempt(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	a := &attempt{begun: time.Now(), version: l.m.version.Load(), cancel: cancel, results: make(chan attemptResult, 1)}
	l.attempt = a
	l.m.wg.Go(func() {
		s, err := l.m.tunnel.Connect(ctx)
		a.results <- attemptResult{s, err, time.Since(a.begun)}
	})
}

// result is where the attempt's result comes; nil, which is never ready, where no attempt runs.
func (a *attempt) result() <-chan attemptResult {
	if a == nil {
		return nil
	}
	return a.results
}

// stale reports whether the attempt may not know the network as it is now.
func (a *attempt) stale() bool { return time.Since(a.begun) > freshness }

// dropAttempt ends the attempt that runs, without waiting for it. A session that it makes nevertheless is closed.
func (l *slot) dropAttempt() {
	a := l.attempt
	if a == nil {
		return
	}
	l.attempt = nil
	a.cancel()
	l.m.wg.Go(func() {
		if r := <-a.results; r.session != nil {
			r.session.Close()
		}
	})
}

// restartAttempt begins a stale attempt once more because of a nudge. Before the tunnel has ever been up it does not: a person may be
// busy with a passphrase.
func (l *slot) restartAttempt(ctx context.Context) {
	if a := l.attempt; a == nil || a.second || !a.stale() || !l.m.wasUp() {
		return
	}
	l.dropAttempt()
	l.startAttempt(ctx)
	l.attempt.second = true
}

// serve begins an attempt once more that would not do for somebody who asks now: it is stale, or lives by options that have
// been replaced. It reports whether anybody asks.
func (l *slot) serve(ctx context.Context) bool {
	if !l.awaited() {
		return false
	}
	a := l.attempt
	if a == nil || a.version == l.m.version.Load() && (a.wanted || !a.stale() || !l.m.wasUp()) {
		return true
	}
	l.dropAttempt()
	l.startAttempt(ctx)
	l.attempt.second, l.attempt.wanted = true, true
	return true
}

// connect waits for a session, by the attempt that runs beside a session that is lost if it is fresh.
func (l *slot) connect(ctx context.Context) (Session, error) {
	if l.attempt != nil && l.attempt.stale() {
		l.dropAttempt()
	}
	if l.attempt == nil {
		l.startAttempt(ctx)
	}
	l.enter(Connecting, "")
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case r := <-l.attempt.results:
			return l.finish(r, "")
		case k := <-l.nudge:
			l.nudged = true
			l.log.Debug("nudged while connecting", "why", k.why)
			l.restartAttempt(ctx)
		case <-l.ask:
			l.serve(ctx)
		case <-l.ticker.C:
			l.heartbeat()
		}
	}
}

// finish takes the result of the attempt: a session joins the tunnel. why tells what it replaces another for; empty: none
// was there.
func (l *slot) finish(r attemptResult, why string) (Session, error) {
	version := l.attempt.version
	l.attempt.cancel()
	l.attempt = nil
	if r.err == nil {
		l.m.tunnel.Join(r.session)
	}
	outage := l.m.connected(l, r)
	l.resolve(r.err, version)
	if r.err != nil {
		return nil, r.err
	}
	l.announce(r, why, outage)
	return r.session, nil
}

// announce logs a session that is up.
func (l *slot) announce(r attemptResult, why string, outage time.Duration) {
	server := r.session.Server()
	host := net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
	attrs := []any{"state", Up, "host", host, "user", server.User, "took", Round(r.took)}
	switch {
	case why != "":
		l.log.Info("replaced", append(attrs, "why", why)...)
	case outage > 0:
		l.log.Info("reconnected", append(attrs, "outage", Round(outage))...)
	default:
		l.log.Info("connected", attrs...)
	}
}
