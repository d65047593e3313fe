package follow

import (
	"context"
	"errors"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Tunnel has each connection of a tunnel made by the way of then.
type Tunnel struct {
	monitor.Tunnel
	Way *Way
}

// Connect is for monitor.Tunnel.
func (t Tunnel) Connect(ctx context.Context) (monitor.Session, error) {
	return t.Way.connect(ctx, t.Tunnel.Connect)
}

// Annex is for monitor.Tunnel.
func (t Tunnel) Annex(ctx context.Context) (monitor.Session, error) {
	return t.Way.connect(ctx, t.Tunnel.Annex)
}

type connector func(context.Context) (monitor.Session, error)

// errMoved ends an attempt whose way is not the one any more.
var errMoved = errors.New("the configuration leads another way")

// connect makes a connection by the way of now. Where that changes meanwhile, as it does with the network, it begins once more.
func (w *Way) connect(ctx context.Context, connect connector) (monitor.Session, error) {
	for {
		o, moved := w.Look(ctx)
		w.follow(o)
		s, err := connect.until(ctx, moved)
		switch {
		case err == nil:
			w.prove(o)
		case errors.Is(err, errMoved):
			continue
		default:
			err = w.soften(o, err)
		}
		return s, err
	}
}

// until connects, unless moved is closed before that is done: then the error is errMoved.
func (c connector) until(ctx context.Context, moved <-chan struct{}) (monitor.Session, error) {
	trying, cancel := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-moved:
			cancel(errMoved)
		case <-trying.Done():
		}
	}()
	s, err := c(trying)
	cancel(nil)
	<-watching
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(trying), errMoved) {
		return nil, errMoved
	}
	return s, err
}

// follow has the tunnel live by o, unless a reload has come between.
func (w *Way) follow(o *config.Options) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o == w.good && o != w.taken {
		w.taken = o
		w.take(o)
	}
}

// prove notes that a connection was made by o.
func (w *Way) prove(o *config.Options) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proven = o
}

// soften makes an error that only a person can mend one that may pass, where the way is another than that of the start or the last
// reload and no connection was made by it yet: the file may be half written, or meant for another network, and it is read again
// before the next attempt.
func (w *Way) soften(o *config.Options, err error) error {
	w.mu.Lock()
	base, proven := w.base, w.proven
	w.mu.Unlock()
	e, ok := errors.AsType[*fault.Error](err)
	if !ok || !e.Permanent || o.SameConnection(base) || proven != nil && o.SameConnection(proven) {
		return err
	}
	soft := *e
	soft.Permanent = false
	return &soft
}
