package tunnel

import (
	"context"
	"sync"
)

// maxInbound bounds the connections that servers may have open through the remote forwards of a process. Each costs some
// 31 KiB, and the server alone says how many there are.
const maxInbound = 2560

// Limits bounds what the connections of all tunnels of a process may take of what they share, and divides it among their
// forwards. Its methods are safe for concurrent use.
type Limits struct {
	connections *shares // of clients and to the targets of remote forwards: a descriptor each
	inbound     *shares // those among them that servers opened
}

// NewLimits returns the limits of this process, which follow from how many open files it may have.
func NewLimits() *Limits {
	return &Limits{connections: newShares(descriptorPlaces()), inbound: newShares(maxInbound)}
}

// shares divides places among those who joined. One half is kept for them in equal parts, so that none can be starved by
// the others; the other half is for who needs it.
type shares struct {
	mu     sync.Mutex // guards all following fields
	places int
	used   int
	joined map[*share]struct{}
	freed  chan struct{} // closed and forgotten when a place becomes free; nil while nobody waits
}

func newShares(places int) *shares { return &shares{places: places, joined: make(map[*share]struct{})} }

// share is what one of them has.
type share struct {
	of    *shares
	fixed int // places that it takes for good; guarded by of.mu, as is used
	used  int
}

// join returns a share, which is given back with leave. fixed is how many places it takes for good.
func (s *shares) join(fixed int) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &share{of: s, fixed: fixed}
	s.places -= fixed
	s.joined[one] = struct{}{}
	return one
}

// leave gives the share back, with the places that it had for good. Those that were taken stay so until they are released.
func (one *share) leave() {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.joined, one)
	s.places += one.fixed
	one.fixed = 0
	s.tellLocked()
}

// fix sets how many places it takes for good.
func (one *share) fix(fixed int) {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, joined := s.joined[one]; joined {
		s.places += one.fixed - fixed
		one.fixed = fixed
		s.tellLocked()
	}
}

// take returns a place, which is given back with release. It is false where there is none.
func (one *share) take() bool {
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

// occupy takes a place even where there is none.
func (one *share) occupy() {
	one.of.mu.Lock()
	defer one.of.mu.Unlock()
	one.of.used++
	one.used++
}

func (one *share) release() {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	one.used--
	s.tellLocked()
}

// most returns how many places it may have while the others use none.
func (one *share) most() int {
	s := one.of
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.places - s.keptLocked()*max(0, len(s.joined)-1)
}

// await waits until there is room, or ctx is done. full is called once if it has to wait.
func (one *share) await(ctx context.Context, full func()) {
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

// full returns nil where there is room, or else a channel that is closed when there may be.
func (one *share) full() <-chan struct{} {
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
func (s *shares) roomLocked(one *share) bool {
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
func (s *shares) keptLocked() int { return s.places / 2 / max(1, len(s.joined)) }

func (s *shares) tellLocked() {
	if s.freed != nil {
		close(s.freed)
		s.freed = nil
	}
}
