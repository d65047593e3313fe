package tunnel

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/load"
	"github.com/tunneld/tunneld/tunnel/pace"
	"github.com/tunneld/tunneld/tunnel/proxy"
)

// maxHeld bounds the local connections that wait for a session, over all forwards of a tunnel. One forward alone gets half.
const maxHeld = 4096

// turnTime is how long a held connection has to ask its session for a channel before it is the next one's turn. Only where the
// server does not read does it take more than a fraction of that.
const turnTime = 200 * time.Millisecond

var (
	errNoSession   = downError("the tunnel is down")
	errStopping    = errors.New("the tunnel is being stopped")
	errTooManyHeld = downError("too many connections already wait for the tunnel")
)

// downError refuses a local connection in an outage.
type downError string

func (e downError) Error() string { return string(e) }

// Is makes it a proxy.ErrUnavailable: clients are told that the tunnel may be back soon.
func (downError) Is(target error) bool { return target == proxy.ErrUnavailable }

// pool is the set of live sessions and the queue of those who wait for one. The zero value is empty and ready.
type pool struct {
	arrived atomic.Uint64 // connections so far

	mu       sync.Mutex // guards all following fields
	live     []*Session
	joins    uint64        // how many sessions have joined so far
	queue    []waiter      // by number
	places   *limit.Quota  // in the queue; nil before anybody waited
	draining chan struct{} // closed and forgotten when serve ends; nil: it does not run
	changed  chan struct{} // closed and forgotten when a session joins; nil while nobody watches
	closed   bool          // no session will join any more
}

// waiter is the place of one connection in the queue.
type waiter struct {
	number  uint64      // of the connection: who came first is served first
	forward string      // where it came to
	since   time.Time   // when the wait began
	taken   chan *place // of one element; nil for a tunnel that is being stopped
}

func (t waiter) compare(other waiter) int { return cmp.Compare(t.number, other.number) }

// arrive returns the number of a connection that has just come.
func (p *pool) arrive() uint64 { return p.arrived.Add(1) }

// join adds s and begins to serve those who wait.
func (p *pool) join(s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.joins++
	s.joined = p.joins
	p.live = append(p.live, s)
	if len(p.queue) > 0 && p.draining == nil {
		p.draining = make(chan struct{})
		go p.serve()
	}
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// serve hands a session to everybody who waits, in the order in which they came: each asks for its channel before the next
// is woken, and says so (place.whenAsked). Nobody begins to send before all have asked (queueDrained). It ends when nobody
// waits any more, or with the last session.
func (p *pool) serve() {
	for {
		asked := p.next()
		if asked == nil {
			return
		}
		select {
		case <-asked:
		case <-time.After(turnTime):
		}
	}
}

// next takes the first waiter out of the queue and hands it a session. It returns a channel that is closed once the session
// has been asked for a channel, or will not be; nil: serve is over.
func (p *pool) next() (asked <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.leastLoadedLocked()
	if s == nil || len(p.queue) == 0 {
		close(p.draining)
		p.draining = nil
		return nil
	}
	given := s.place()
	asked = given.whenAsked()
	p.queue[0].taken <- given // under the lock: whoever gives up meanwhile finds it
	p.queue = p.queue[1:]
	return asked
}

// queueDrained waits until serve has ended. It takes some 20 µs for each who waited.
func (p *pool) queueDrained() {
	p.mu.Lock()
	serving := p.draining
	p.mu.Unlock()
	if serving != nil {
		<-serving
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
	for _, waiting := range p.queue {
		waiting.taken <- nil
	}
	p.queue = nil
}

// joinedSoFar returns the number of the last session that has joined.
func (p *pool) joinedSoFar() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.joins
}

// sessions returns the live sessions.
func (p *pool) sessions() []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.live)
}

// leastLoadedLocked returns the live session for whoever comes next, or nil: none that has ended, and was not yet taken out.
func (p *pool) leastLoadedLocked() *Session {
	var best *Session
	var choice load.Choice
	for _, s := range p.live {
		if !s.broken() && choice.Better(load.Load{Doubted: s.doubted.Load(), Transfers: s.heavy.Count(), Open: s.Open()}) {
			best = s
		}
	}
	choice.Made(pace.Beside)
	return best
}

// owner returns a session for a remote forward to live on: the least loaded one, as soon as there is one. It counts among
// those that the session owns. It is nil when ctx is done.
func (p *pool) owner(ctx context.Context) *Session {
	for {
		p.mu.Lock()
		s := p.leastLoadedLocked()
		if s != nil {
			s.owned.add()
		}
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
