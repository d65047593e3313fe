package autossh

import (
	"context"
	"errors"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// ErrPortDown is the end of a connection through which the test line did not come back.
var ErrPortDown = errors.New("the monitor port is down")

// watch tests one connection.
type watch struct {
	loop *Loop
	path Path
	end  context.CancelFunc
	gone chan struct{} // closed when it is over, and does not listen at the server any more

	before *watch // guarded by loop.mu; nil: it is gone, or there was none

	giveUp func(context.Context) error // ends the listener at the server; nil: there is none
	again  time.Time                   // when to ask for the monitor port again; zero: the server listens there
	pause  time.Duration               // that was before
}

// Watch has path tested, and no other connection any more. The function that it returns does so, and is to be called: at first
// after FIRST_POLL from its start, then each POLL, until the connection ends, another one is to be tested, or ctx ends, or with
// ErrPortDown when a test has failed. Where the server allows no loop there is no test: nil after a warning.
func (l *Loop) Watch(ctx context.Context, path Path, started time.Time) (test func() error) {
	ctx, end := context.WithCancel(ctx)
	w := &watch{loop: l, path: path, end: end, gone: make(chan struct{})}
	l.mu.Lock()
	before := l.newest
	w.before, l.newest = before, w
	l.mu.Unlock()
	if before != nil {
		before.end()
	}
	return func() error {
		defer close(w.gone)
		defer end()
		if before != nil && !w.follow(ctx, before) {
			return nil
		}
		return w.run(ctx, started)
	}
}

// follow waits until the watch before has left the monitor port to this one.
func (w *watch) follow(ctx context.Context, before *watch) bool {
	select {
	case <-before.gone:
	case <-w.path.Done():
		return false
	case <-ctx.Done():
		return false
	}
	w.loop.mu.Lock()
	defer w.loop.mu.Unlock()
	w.before = nil
	return true
}

// Leave has path not tested any more, and waits until the server listens for it no more, or ctx is done. A nil Loop has none.
func (l *Loop) Leave(ctx context.Context, path Path) {
	if l == nil {
		return
	}
	l.mu.Lock()
	w := l.newest
	for w != nil && w.path != path {
		w = w.before
	}
	l.mu.Unlock()
	if w == nil {
		return
	}
	w.end()
	select {
	case <-w.gone:
	case <-ctx.Done():
	}
}

func (w *watch) run(ctx context.Context, started time.Time) error {
	l := w.loop
	wait := max(0, l.settings.FirstPoll-time.Since(started))
	defer l.leave(w.path)
	if listens, err := w.listen(ctx, wait+l.settings.NetTimeout); !listens {
		return err
	}
	wait = max(0, l.settings.FirstPoll-time.Since(started))
	for {
		l.log.Say(spec.SetAlarm(wait))
		if !w.await(ctx, wait) {
			w.stopListening()
			return nil
		}
		l.log.Say(spec.ReceivedAlarm(false))
		passed := l.test(ctx)
		switch {
		case w.isOver(ctx):
			w.stopListening()
			return nil
		case !passed:
			l.log.Say(spec.PortDown())
			return ErrPortDown
		}
		l.log.Say(spec.ConnectionOK())
		wait = l.settings.Poll
	}
}

// isOver reports whether the connection has ended, or is not to be tested any more.
func (w *watch) isOver(ctx context.Context) bool {
	select {
	case <-w.path.Done():
		return true
	default:
		return ctx.Err() != nil
	}
}

// await waits for the time of a test, and asks for the monitor port meanwhile where the server listens on another. It is false
// where the watch is over.
func (w *watch) await(ctx context.Context, wait time.Duration) bool {
	alarm := time.NewTimer(wait)
	defer alarm.Stop()
	until := time.Now().Add(wait)
	for {
		var again <-chan time.Time
		if !w.again.IsZero() {
			again = time.After(time.Until(w.again))
		}
		select {
		case <-alarm.C:
			return true
		case <-again:
			w.askAgain(ctx, until)
		case <-w.path.Done():
			return false
		case <-ctx.Done():
			return false
		}
	}
}
