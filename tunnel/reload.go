package tunnel

import (
	"context"
	"errors"
	"sync"

	"github.com/tunneld/tunneld/config"
)

// ErrStopped says that a tunnel cannot be changed, because it has been shut down or is about to be.
var ErrStopped = errors.New("the tunnel is being stopped")

// Listen is Change.Listen for this tunnel alone. sockets may be nil: then the tunnel has its own.
func (t *Tunnel) Listen(ctx context.Context, sockets *Sockets) error {
	if sockets == nil {
		sockets = NewSockets(nil)
	}
	c := sockets.Begin()
	defer c.End()
	return c.Listen(ctx, t)
}

// Reload is Change.Reload for this tunnel alone, which listens already. It is not called by two at a time.
func (t *Tunnel) Reload(ctx context.Context, o *config.Options) error {
	t.mu.Lock()
	sockets := t.sockets
	t.mu.Unlock()
	c := sockets.Begin()
	defer c.End()
	c.Plan(ctx, t, o)
	return c.Reload(ctx, t)
}

// stopAll stops remote forwards, all at once: each waits for the server.
func stopAll(list []*remoteForward) {
	var all sync.WaitGroup
	for _, f := range list {
		all.Go(f.stop)
	}
	all.Wait()
}
