package tunnel

import (
	"context"
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
