package tunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// maxHeld bounds the local connections that wait for a session, over all forwards of a tunnel.
const maxHeld = 4096

var (
	errNoSession   = errors.New("the tunnel is down")
	errStopping    = errors.New("the tunnel is being stopped")
	errTooManyHeld = fmt.Errorf("%d connections already wait for the tunnel", maxHeld)
)

// pool is the set of live sessions and the queue of those who wait for one. The zero value is empty and ready.
type pool struct {
	mu      sync.Mutex // guards all following fields
	live    []*Session
	queue   []chan *Session // of one element each, served first come, first served
	changed chan struct{}   // closed and forgotten when a session joins; nil while nobody watches
	closed  bool            // no session will join any more
}

// join adds s and hands it to everybody who waits, in the order in which they came.
func (p *pool) join(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = append(p.live, s)
	for _, waiter := range p.queue {
		waiter <- s
	}
	p.queue = nil
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// leave takes s out. Its open channels are not touched.
func (p *pool) leave(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = slices.DeleteFunc(p.live, func(other *Session) bool { return other == s })
}

// close ends all waiting, now and from now on: no session will join any more. Live sessions are still given out.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, waiter := range p.queue {
		waiter <- nil
	}
	p.queue = nil
}

// sessions gives the live sessions.
func (p *pool) sessions() []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.live)
}

// leastLoadedLocked gives the live session with the fewest channels, or nil. Sessions that ended and were not yet taken
// out are passed over.
func (p *pool) leastLoadedLocked() *Session {
	var best *Session
	load := 0
	for _, s := range p.live {
		if s.broken() {
			continue
		}
		if open := s.Open(); best == nil || open < load {
			best, load = s, open
		}
	}
	return best
}

// take gives the least loaded session. Without one it waits until a session joins or ctx is done; the first is served
// first. wait is called once if it has to wait.
func (p *pool) take(ctx context.Context, wait func()) (*Session, error) {
	p.mu.Lock()
	if s := p.leastLoadedLocked(); s != nil {
		p.mu.Unlock()
		return s, nil
	}
	if ctx.Err() != nil {
		p.mu.Unlock()
		return nil, errNoSession
	}
	if p.closed {
		p.mu.Unlock()
		return nil, errStopping
	}
	if len(p.queue) >= maxHeld {
		p.mu.Unlock()
		return nil, errTooManyHeld
	}
	turn := make(chan *Session, 1)
	p.queue = append(p.queue, turn)
	p.mu.Unlock()
	wait()
	select {
	case s := <-turn:
		if s == nil {
			return nil, errStopping
		}
		return s, nil
	case <-ctx.Done():
		p.giveUp(turn)
		return nil, errNoSession
	}
}

func (p *pool) giveUp(turn chan *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = slices.DeleteFunc(p.queue, func(other chan *Session) bool { return other == turn })
}

// home gives a session for a remote forward to live on: the least loaded one, as soon as there is one. It is nil when
// ctx is done.
func (p *pool) home(ctx context.Context) *Session {
	for {
		p.mu.Lock()
		s := p.leastLoadedLocked()
		if s == nil && p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		if s != nil {
			return s
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
