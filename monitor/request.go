package monitor

import (
	"context"
	"errors"
	"math"
	"slices"
)

// ErrStopped is returned by Reconnect when the tunnel has stopped.
var ErrStopped = errors.New("the tunnel has stopped")

// Reconnect makes a new session in each slot, and retires the old one once the new one is up. Where no session lives it
// cuts the wait short or joins the attempt that runs. It blocks until each slot has a new session or its attempt has
// failed, and returns the errors of those. Nothing is lost by a failure: the old session goes on. A slot that is Idle has
// nothing to replace. Connections for sessions alone (Annex) take no more of them.
func (m *Monitor) Reconnect(ctx context.Context) error {
	var results []<-chan error
	for _, l := range m.slots {
		results = append(results, l.request())
	}
	m.renewAnnexes()
	var errs []error
	for _, result := range results {
		select {
		case err := <-result:
			errs = append(errs, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return errors.Join(errs...)
}

// waiter is somebody who waits for a new session.
type waiter struct {
	result  chan error // of one
	version uint64     // of the options that the session has to live by, at least
}

// request asks for a new session. The channel gets one value.
func (l *slot) request() <-chan error {
	result := make(chan error, 1)
	l.m.mu.Lock()
	ended := l.rec.ended
	if !ended {
		l.waiters = append(l.waiters, waiter{result, l.m.version.Load()})
	}
	l.m.mu.Unlock()
	if ended {
		result <- ErrStopped
	}
	l.call()
	return result
}

// call has the slot look for those who wait.
func (l *slot) call() {
	select {
	case l.ask <- struct{}{}:
	default:
	}
}

// awaited reports whether somebody waits for a new session.
func (l *slot) awaited() bool {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return len(l.waiters) > 0
}

// resolve tells those who wait for a new session how it went with one that lives by options of this version. Who asked after
// they had been replaced waits on.
func (l *slot) resolve(err error, version uint64) {
	l.m.mu.Lock()
	waiters := l.waiters
	l.waiters = slices.DeleteFunc(slices.Clone(waiters), func(w waiter) bool { return w.version <= version })
	left := len(l.waiters)
	l.m.mu.Unlock()
	for _, w := range waiters {
		if w.version <= version {
			w.result <- err
		}
	}
	if left > 0 {
		l.call()
	}
}

// resolveAll tells all who wait for a new session that there will be none now, or why not.
func (l *slot) resolveAll(err error) { l.resolve(err, math.MaxUint64) }
