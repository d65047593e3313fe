package monitor

import (
	"context"
	"errors"
)

// ErrStopped is what Reconnect gives where the tunnel has stopped.
var ErrStopped = errors.New("the tunnel has stopped")

// Reconnect makes a new session in each lane, and retires the old one once the new one is up. Where no session lives it
// cuts the wait short or joins the attempt that runs. It blocks until each lane has a new session or its attempt has
// failed, and gives the errors of those. Nothing is lost by a failure: the old session goes on. A lane that is Idle has
// nothing to replace.
func (m *Monitor) Reconnect(ctx context.Context) error {
	var results []<-chan error
	for _, l := range m.lanes {
		results = append(results, l.request())
	}
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

// request asks for a new session. The channel gets one value.
func (l *lane) request() <-chan error {
	result := make(chan error, 1)
	l.m.mu.Lock()
	ended := l.rec.ended
	if !ended {
		l.waiters = append(l.waiters, result)
	}
	l.m.mu.Unlock()
	if ended {
		result <- ErrStopped
	}
	select {
	case l.ask <- struct{}{}:
	default:
	}
	return result
}

// awaited tells whether somebody waits for a new session.
func (l *lane) awaited() bool {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	return len(l.waiters) > 0
}

// resolve tells all who wait for a new session how it went.
func (l *lane) resolve(err error) {
	l.m.mu.Lock()
	waiters := l.waiters
	l.waiters = nil
	l.m.mu.Unlock()
	for _, w := range waiters {
		w <- err
	}
}
