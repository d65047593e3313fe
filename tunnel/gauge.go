package tunnel

import (
	"context"
	"net"
	"sync"
)

// gauge counts what is under way and lets somebody wait for none. The zero value is ready. Unlike a sync.WaitGroup it can
// be read, may grow while somebody waits, and the wait can be given up.
type gauge struct {
	mu   sync.Mutex // guards all following fields
	n    int
	none chan struct{} // closed when n falls to 0; nil while nobody waits
}

func (g *gauge) add() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

func (g *gauge) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.n == 0 && g.none != nil {
		close(g.none)
		g.none = nil
	}
}

func (g *gauge) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

// wait blocks until the count is 0 or ctx is done.
func (g *gauge) wait(ctx context.Context) error {
	g.mu.Lock()
	if g.n == 0 {
		g.mu.Unlock()
		return nil
	}
	if g.none == nil {
		g.none = make(chan struct{})
	}
	none := g.none
	g.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// connSet holds the open connections of a forward, so that they can be waited for and cut. The zero value is ready.
type connSet struct {
	gauge gauge
	mu    sync.Mutex // guards all following fields
	conns map[net.Conn]struct{}
}

// track adds conn; the function that it returns takes it out again.
func (c *connSet) track(conn net.Conn) func() {
	c.gauge.add()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = make(map[net.Conn]struct{})
	}
	c.conns[conn] = struct{}{}
	return func() {
		c.mu.Lock()
		delete(c.conns, conn)
		c.mu.Unlock()
		c.gauge.done()
	}
}

// drain waits until all have ended, or until ctx is done and then resets those that are left, which is ctx's error.
func (c *connSet) drain(ctx context.Context) error {
	err := c.gauge.wait(ctx)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	for conn := range c.conns {
		reset(conn)
	}
	c.mu.Unlock()
	return err
}
