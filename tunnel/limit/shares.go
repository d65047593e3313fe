package limit

import (
	"context"
	"sync"
)

// Shares divides places among those who joined. One half is kept for them in equal parts, so that none can be starved by
// the others; the other half is for who needs it.
type Shares struct {
	mu     sync.Mutex // guards all following fields
	places int
	used   int
	joined map[*Share]struct{}
	freed  chan struct{} // closed and forgotten when a place becomes free; nil while nobody waits
}

// NewShares returns so many places, which nobody has.
func NewShares(places int) *Shares { return &Shares{places: places, joined: make(map[*Share]struct{})} }

// Share is what one of them has.
type Share struct {
	of    *Shares
	fixed int // places that it takes for good; guarded by of.mu, as is used
	used  int
}

// Join returns a share, which is given back with Leave. fixed is how many places it takes for good.
func (s *Shares) Join(fixed int) *Share {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &Share{of: s, fixed: fixed}
	s.places -= fixed
	s.joined[one] = struct{}{}
	return one
}

// Leave gives the share back, with the places that it had for good. Those that were taken stay so until they are released.
func (one *Share) Leave() {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.joined, one)
	s.places += one.fixed
	one.fixed = 0
	s.tellLocked()
}

// Fix sets how many places it takes for good.
func (one *Share) Fix(fixed int) {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, joined := s.joined[one]; joined {
		s.places += one.fixed - fixed
		one.fixed = fixed
		s.tellLocked()
	}
}

// Take returns a place, which is given back with Release. It is false where there is none.
func (one *Share) Take() bool {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roomLocked(one) {
		return false
	}
	s.used++
	one.used++
	return true
}

// Occupy takes a place even where there is none.
func (one *Share) Occupy() {
	one.of.mu.Lock()
	defer one.of.mu.Unlock()
	one.of.used++
	one.used++
}

// Release gives a place back.
func (one *Share) Release() {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	one.used--
	s.tellLocked()
}

// Most returns how many places it may have while the others use none.
func (one *Share) Most() int {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places - s.keptLocked()*max(0, len(s.joined)-1)
}

// Await waits until there is room, or ctx is done. full is called once if it has to wait.
func (one *Share) Await(ctx context.Context, full func()) {
	for {
		freed := one.full()
		if freed == nil {
			return
		}
		full()
		full = func() {}
		select {
		case <-freed:
		case <-ctx.Done():
			return
		}
	}
}

// HasRoom reports whether Take would return a place.
func (one *Share) HasRoom() bool {
	one.of.mu.Lock()
	defer one.of.mu.Unlock()
	return one.of.roomLocked(one)
}

// full returns nil where there is room, or else a channel that is closed when there may be.
func (one *Share) full() <-chan struct{} {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roomLocked(one) {
		return nil
	}
	if s.freed == nil {
		s.freed = make(chan struct{})
	}
	return s.freed
}

// roomLocked reports whether one may have another place: one of its own part, or one that is kept for nobody.
func (s *Shares) roomLocked(one *Share) bool {
	free, kept := s.places-s.used, s.keptLocked()
	if free <= 0 || one.used < kept {
		return free > 0
	}
	for other := range s.joined {
		if other != one {
			free -= max(0, kept-other.used)
		}
	}
	return free > 0
}

// keptLocked returns how many places are kept for each.
func (s *Shares) keptLocked() int { return s.places / 2 / max(1, len(s.joined)) }

func (s *Shares) tellLocked() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}

// Used returns how many places are taken.
func (s *Shares) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
