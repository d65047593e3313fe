package tunnel

import (
	"context"
	"net"
	"sync"
)

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
