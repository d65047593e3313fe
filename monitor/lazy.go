package monitor

import (
	"context"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config"
)

// lazy returns after how much idle time to disconnect; 0: never, and connect at once. A tunnel with remote forwards is never
// lazy: nobody here could tell that it is wanted.
func lazy(o *config.Options) time.Duration {
	for _, f := range o.Forwards {
		if f.Kind == config.Remote {
			return 0
		}
	}
	return o.Lazy
}

// demand is open while the tunnel is wanted. All slots look at the one gate.
type demand struct {
	mu      sync.Mutex // guards all following fields
	open    bool
	changed chan struct{} // closed and renewed at each change
}

func newDemand(open bool) *demand { return &demand{open: open, changed: make(chan struct{})} }

// awake is closed as soon as the gate is open.
func (g *demand) awake() <-chan struct{} { return g.when(true) }

// asleep is closed as soon as the gate is shut.
func (g *demand) asleep() <-chan struct{} { return g.when(false) }

func (g *demand) when(open bool) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != open {
		return g.changed
	}
	already := make(chan struct{})
	close(already)
	return already
}

func (g *demand) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *demand) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != open {
		g.open = open
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// watchIdle opens the gate when a local connection waits, and shuts it when none was open for so long.
func (m *Monitor) watchIdle(ctx context.Context, idle time.Duration) {
	ticker := time.NewTicker(min(idle, time.Second))
	defer ticker.Stop()
	var used time.Time // when a connection was open last
	var total int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.tunnel.Wanted():
			used = time.Now()
			m.demand.set(true)
		case now := <-ticker.C:
			open, sum := m.use()
			if open > 0 || sum != total {
				used, total = now, sum
			}
			if now.Sub(used) >= idle {
				m.demand.set(false)
			}
		}
	}
}

// use returns how many connections are open or wait, those of programs that ride on the tunnel included, and how many there
// have been. A forward at the server, which was added to a lazy tunnel, is use: nobody here could tell when it is not.
func (m *Monitor) use() (open, total int64) {
	for _, f := range m.tunnel.Forwards() {
		open += f.Open + f.Held
		total += f.Total
		if f.Kind == config.Remote {
			open++
		}
	}
	riders := m.tunnel.Riders()
	return open + riders.Open + riders.Held, total + riders.Total
}
