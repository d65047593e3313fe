package tunnel

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"time"

	"github.com/tunneld/tunneld/tunnel/gone"
	"github.com/tunneld/tunneld/tunnel/limit"
)

// errHeldTooLong refuses a local connection after the hold time.
const errHeldTooLong = downError("the tunnel did not come back within the hold time")

// errClientGone ends the wait of a connection whose client has left.
var errClientGone = errors.New("the client left while it waited")

// forever is a hold time that does not end before ctx does.
const forever = time.Duration(math.MaxInt64)

// caller is a local connection that wants a session.
type caller struct {
	conn    net.Conn      // nil: there is no client that could leave
	number  uint64        // says when it came
	forward string        // where it came to; it has a share of the queue
	count   *counter      // of the forward
	waited  time.Duration // before now, for sessions that ended before they had answered; see place.waited
}

// hold returns a place on the least loaded session. Where there is none, or while others who came before are served, the caller
// waits: for limit at most with what it has waited before, or until ctx is done or its client leaves. waits is called once if it has to.
func (p *pool) hold(ctx context.Context, who caller, limit time.Duration, waits func()) (*place, error) {
	taken, mine, err := p.takeOrQueue(ctx, who, limit)
	if taken != nil || err != nil {
		return taken, err
	}
	defer p.places.Release(who.forward)
	who.count.held.Add(1)
	defer who.count.held.Add(-1)
	waits()
	begun := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, limit-who.waited, errHeldTooLong)
	defer cancel()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer gone.Watch(who.conn, func() { giveUp(errClientGone) })()
	select {
	case taken := <-mine.taken:
		if taken == nil {
			return nil, errStopping
		}
		taken.waited = time.Since(begun)
		return taken, nil
	case <-ctx.Done():
		p.giveUp(mine)
		return nil, context.Cause(ctx)
	}
}

// takeOrQueue returns a place on the least loaded session, or else the caller's in the queue.
func (p *pool) takeOrQueue(ctx context.Context, who caller, hold time.Duration) (*place, waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining == nil {
		if s := p.leastLoadedLocked(); s != nil {
			return s.place(), waiter{}, nil
		}
	}
	if p.places == nil {
		p.places = limit.NewQuota(maxHeld)
	}
	switch {
	case ctx.Err() != nil || hold <= 0:
		return nil, waiter{}, errNoSession
	case p.closed:
		return nil, waiter{}, errStopping
	case who.waited >= hold:
		return nil, waiter{}, errHeldTooLong
	case !p.places.Take(who.forward):
		return nil, waiter{}, errTooManyHeld
	}
	mine := waiter{who.number, who.forward, time.Now().Add(-who.waited), make(chan *place, 1)}
	i, _ := slices.BinarySearchFunc(p.queue, mine, waiter.compare)
	p.queue = slices.Insert(p.queue, i, mine)
	return nil, mine, nil
}

// heldSince returns when the wait began of the connection of a forward that came first; zero: none waits.
func (p *pool) heldSince(forward string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.queue {
		if w.forward == forward {
			return w.since
		}
	}
	return time.Time{}
}

// giveUp takes a waiter out of the queue, and frees the place that it may have got meanwhile.
func (p *pool) giveUp(mine waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = slices.DeleteFunc(p.queue, func(other waiter) bool { return other == mine })
	select {
	case taken := <-mine.taken:
		if taken != nil {
			taken.leave()
		}
	default:
	}
}

// HoldTime is how long a client is held in an outage.
func (t *Tunnel) HoldTime() time.Duration { return t.options.Load().Hold }

// hold is pool.hold for the hold time of the options. A lazy tunnel connects when somebody waits.
func (t *Tunnel) hold(ctx context.Context, who caller) (*place, error) {
	p, err := t.pool.hold(ctx, who, t.options.Load().Hold, t.want)
	if errors.Is(err, errNoSession) {
		t.want() // nobody is held, but the next client may be served
	}
	t.warnRefused(err)
	return p, err
}

// warnRefused warns, once in an outage, that clients are refused: it has lasted longer than they are held, or they are too many.
func (t *Tunnel) warnRefused(why error) {
	if (errors.Is(why, errTooManyHeld) || errors.Is(why, errHeldTooLong)) && !t.warned.Swap(true) {
		t.log.Warn("local connections are refused until the tunnel is back", "why", why)
	}
}

func (t *Tunnel) want() {
	select {
	case t.wanted <- struct{}{}:
	default:
	}
}
