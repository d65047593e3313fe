package beat

import (
	"sync"
	"time"
)

// Wheel calls many functions at the same beats, one after the other, in one goroutine, which lives while there are any. Its methods may
// be called from any goroutine, but not from those functions.
type Wheel struct {
	every time.Duration

	mu      sync.Mutex // guards members and stop; not held while they are called
	members map[*member]struct{}
	stop    chan struct{} // closed by the last one that leaves; the goroutine has the same
}

// member is somebody's function.
type member struct {
	f func()

	mu   sync.Mutex // held while f is called
	left bool
}

// NewWheel returns a Wheel that turns every so often. It has nothing to close.
func NewWheel(every time.Duration) *Wheel {
	return &Wheel{every: every, members: make(map[*member]struct{})}
}

// Join has f called at each beat from now on, which has to return soon: everybody waits for it. leave waits for the call that is under
// way, if one is, and none comes after it; it is to be called once.
func (w *Wheel) Join(f func()) (leave func()) {
	m := &member{f: f}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.members) == 0 {
		w.stop = make(chan struct{})
		go w.turn(w.stop)
	}
	w.members[m] = struct{}{}
	return func() {
		w.leave(m)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.left = true
	}
}

func (w *Wheel) leave(m *member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.members, m)
	if len(w.members) == 0 {
		close(w.stop)
	}
}

// turn calls everybody at each beat until stop is closed.
func (w *Wheel) turn(stop <-chan struct{}) {
	timer := time.NewTimer(Until(time.Now(), w.every))
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		for _, m := range w.all(stop) {
			m.call()
		}
		timer.Reset(Until(time.Now(), w.every))
	}
}

// all returns the members; none where stop is closed: others may have joined since, who have a goroutine of their own.
func (w *Wheel) all(stop <-chan struct{}) []*member {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stop != w.stop {
		return nil
	}
	all := make([]*member, 0, len(w.members))
	for m := range w.members {
		all = append(all, m)
	}
	return all
}

func (m *member) call() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.left {
		m.f()
	}
}
