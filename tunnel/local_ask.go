package tunnel

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tunneld/tunneld/tunnel/bind"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// localSchedule says how long to wait before a local place that could not be bound is asked for again; the last entry
// repeats. Asking costs next to nothing, and whoever is in the way does not announce its end.
var localSchedule = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

// keep has the forward listen everywhere that it should, and returns when it does or asking is done. The sockets live until
// alive is.
func (f *localForward) keep(asking, alive context.Context) {
	for try := 0; asking.Err() == nil && !f.complete(asking, alive); try++ {
		if !f.await(asking, localSchedule[min(try, len(localSchedule)-1)]) {
			return
		}
	}
}

// await waits for d, or until one of our own ports became free or somebody asked to look. It is false when ctx is done.
func (f *localForward) await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.tunnel.sockets.whenFreed():
	case <-f.seek.Asked():
	case <-ctx.Done():
		return false
	}
	return true
}

// lookAgain has the forward find out whether it listens everywhere. It does not block.
func (f *localForward) lookAgain() { f.seek.Ask() }

// complete binds what is missing, and reports whether the forward listens everywhere now.
func (f *localForward) complete(asking, alive context.Context) bool {
	if !f.tunnel.changing.TryLock() { // a reload may wait for us to end
		return false
	}
	defer f.tunnel.changing.Unlock()
	o := f.tunnel.options.Load()
	w := &wish{forward: *f.forward.Load(), have: f.has()}
	a := &binding{sockets: f.tunnel.sockets, options: o, log: f.log}
	if w.locate(asking, o); w.failed == nil {
		a.open(asking, w)
		w.lack()
	}
	if asking.Err() != nil {
		a.undo(alive)
		return false
	}
	f.tunnel.sockets.assign(alive, f, w.opened)
	before := f.failing()
	f.failedWith(w.failed)
	switch {
	case w.failed == nil && before != nil:
		f.log.Info("listening", "listen", strings.Join(f.bound(), " "))
	case w.failed != nil && (before == nil || before.Error() != w.failed.Error()):
		f.log.Warn("not listening yet, trying again", "err", w.failed, "hint", fault.HintOf(w.failed))
	case w.failed != nil:
		f.log.Debug("still not listening", "err", w.failed)
	}
	f.tunnel.noteChange()
	return w.failed == nil
}

// failing returns why the forward does not listen everywhere; nil: it does.
func (f *localForward) failing() error {
	if failed := f.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// failedWith notes why the forward does not listen everywhere; nil: it does.
func (f *localForward) failedWith(err error) {
	if err == nil {
		f.failed.Store(nil)
		return
	}
	f.failed.Store(&err)
}

// bindTrouble returns why a forward does not listen, for a line that already names the forward.
func bindTrouble(err error) string {
	var cannot *bind.CannotListen
	if errors.As(err, &cannot) {
		return cannot.Address + ": " + cannot.Err.Error()
	}
	return err.Error()
}

// LookAgain has the local forwards that could not be bound ask for their places now: an interface may have come up.
func (t *Tunnel) LookAgain() {
	locals, _ := t.forwards()
	for _, f := range locals {
		if f.failing() != nil {
			f.lookAgain()
		}
	}
}
