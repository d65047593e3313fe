// Package seek has somebody ask again for what could not be had: the place of a local forward that another program has. There is no
// goroutine while nothing is missing, which is always for most forwards.
package seek

import (
	"context"
	"sync"
)

// Seek is the goroutine that looks after what is missing, for as long as something is.
type Seek struct {
	asked chan struct{} // of one element: find out whether something is missing

	mu     sync.Mutex
	run    func() // nil before Start and after Stop
	runs   bool
	noMore context.CancelFunc
	ended  sync.WaitGroup
}

// New returns a Seek that looks after nothing yet.
func New() *Seek { return &Seek{asked: make(chan struct{}, 1)} }

// Start has keep called, in a goroutine of its own, whenever there is something to find out until Stop. The context of keep ends
// then, or with alive. Start is called once, before Stop.
func (s *Seek) Start(alive context.Context, keep func(asking context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asking, noMore := context.WithCancel(alive)
	s.run, s.noMore = func() { s.answer(asking, keep) }, noMore
}

// answer calls keep for as long as somebody asks.
func (s *Seek) answer(asking context.Context, keep func(context.Context)) {
	for s.isAsked() {
		keep(asking)
	}
}

// isAsked takes the question. Where there is none, or nobody waits for an answer any more, the goroutine ends.
func (s *Seek) isAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.asked:
		s.runs = s.run != nil
	default:
		s.runs = false
	}
	return s.runs
}

// Ask has it found out whether something is missing. It does not block, and does nothing after Stop.
func (s *Seek) Ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default:
	}
	if s.run != nil && !s.runs {
		s.runs = true
		s.ended.Go(s.run)
	}
}

// Asked receives a value when somebody has called Ask since keep was called: keep may look again without waiting.
func (s *Seek) Asked() <-chan struct{} { return s.asked }

// Stop ends the context of keep and waits until that has returned.
func (s *Seek) Stop() {
	s.mu.Lock()
	s.run = nil
	s.mu.Unlock()
	s.noMore()
	s.ended.Wait()
}
