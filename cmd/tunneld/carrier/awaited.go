package carrier

import (
	"slices"
	"sync"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// awaited are the forwards that have been added and do not listen yet, with those who wait for that: one who leaves must not take
// away what another waits for. The zero value is ready. join, leave and remove are called while nothing else changes
// forwards.
type awaited struct {
	mu    sync.Mutex // guards all following fields
	waits []*wait
}

// wait is one such forward. awaited.mu guards it.
type wait struct {
	forward config.Forward
	count   int           // who wait
	settled bool          // it has listened, or was there before: it stays
	removed chan struct{} // closed when somebody has taken it away
}

// join has one more wait for f, which was just added, or was there.
func (a *awaited) join(f config.Forward, added bool) *wait {
	a.mu.Lock()
	defer a.mu.Unlock()
	if added {
		a.removeLocked(f) // such as one that a reload took away
	}
	i := a.indexLocked(f)
	if i < 0 {
		i = len(a.waits)
		a.waits = append(a.waits, &wait{forward: f, settled: !added, removed: make(chan struct{})})
	}
	a.waits[i].count++
	return a.waits[i]
}

// granted is the end of a wait after which the forward listens. It reports whether it is the first.
func (a *awaited) granted(w *wait) (first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first = !w.settled
	w.settled = true
	a.endLocked(w)
	return first
}

// leave is the end of a wait after which the forward does not listen. It reports whether it is to be taken away: nobody waits for
// it any more.
func (a *awaited) leave(w *wait) (last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(w)
	return w.count == 0 && !w.settled
}

func (a *awaited) endLocked(w *wait) {
	if w.count--; w.count == 0 {
		a.waits = slices.DeleteFunc(a.waits, func(other *wait) bool { return other == w })
	}
}

// remove tells those who wait for f that it has been taken away.
func (a *awaited) remove(f config.Forward) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.removeLocked(f)
}

func (a *awaited) removeLocked(f config.Forward) {
	if i := a.indexLocked(f); i >= 0 {
		a.waits[i].settled = true // there is nothing to take away
		close(a.waits[i].removed)
		a.waits = slices.Delete(a.waits, i, i+1)
	}
}

func (a *awaited) indexLocked(f config.Forward) int {
	return slices.IndexFunc(a.waits, func(w *wait) bool { return tunnel.EqualForward(f, w.forward) })
}
