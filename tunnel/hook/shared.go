package hook

import (
	"context"
	"maps"
	"sync"
	"time"
)

// Shared runs something once for all who ask for it while it runs, and for those who ask a moment later. Its methods may be called
// from any goroutine. The zero value keeps no results.
type Shared[V any] struct {
	keep time.Duration // how long a result is good; 0: for those who have waited for it

	mu   sync.Mutex // guards all following fields, and those of each run
	runs map[string]*run[V]
}

// NewShared returns a Shared whose results are good for so long.
func NewShared[V any](keep time.Duration) *Shared[V] {
	return &Shared[V]{keep: keep}
}

// run is one that is under way, or has ended.
type run[V any] struct {
	done    chan struct{} // closed when value and err are set
	value   V
	err     error
	over    time.Time // zero: it is under way
	waiting int       // those who wait for it: when the last has gone, it is ended
	end     context.CancelFunc
}

// Do returns the result of a run of do that goes by this name: one that is under way or has just ended, or a new one. The context of
// do ends when nobody waits for it any more, which Do does until ctx is done.
func (s *Shared[V]) Do(ctx context.Context, name string, do func(context.Context) (V, error)) (V, error) {
	r := s.join(ctx, name, do)
	select {
	case <-r.done:
		s.leave(name, r)
		return r.value, r.err
	case <-ctx.Done():
		s.leave(name, r)
		var none V
		return none, context.Cause(ctx)
	}
}

func (s *Shared[V]) join(ctx context.Context, name string, do func(context.Context) (V, error)) *run[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(s.runs, func(_ string, r *run[V]) bool { return !r.over.IsZero() && now.Sub(r.over) >= s.keep })
	r := s.runs[name]
	if r == nil {
		running, end := context.WithCancel(context.WithoutCancel(ctx))
		r = &run[V]{done: make(chan struct{}), end: end}
		if s.runs == nil {
			s.runs = make(map[string]*run[V])
		}
		s.runs[name] = r
		go func() {
			defer end()
			value, err := do(running)
			s.mu.Lock()
			defer s.mu.Unlock()
			r.value, r.err, r.over = value, err, time.Now()
			close(r.done)
		}()
	}
	r.waiting++
	return r
}

// leave ends a run that nobody waits for any more, and waits for its end: nothing outlives those who have started it.
func (s *Shared[V]) leave(name string, r *run[V]) {
	s.mu.Lock()
	r.waiting--
	abandoned := r.waiting == 0 && r.over.IsZero()
	if abandoned {
		delete(s.runs, name)
	}
	s.mu.Unlock()
	if abandoned {
		r.end()
		<-r.done
	}
}
