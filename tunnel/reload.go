package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
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

// maxAdded bounds the forwards that are added to a tunnel while it runs.
const maxAdded = 256

var (
	// ErrNotForwarded is RemoveForward's where the tunnel has no such forward.
	ErrNotForwarded = errors.New("the tunnel has no such forward")

	// ErrConfigured is RemoveForward's for a forward of the configuration.
	ErrConfigured = errors.New("the forward is in the configuration")
)

// AddForward adds a forward to those of the configuration, until RemoveForward. It stays through reconnects and reloads;
// one that a new configuration has, or whose place it takes, is that one from then on. A forward that is there
// already is no error. An error is that of a local listener that cannot be bound; a remote one may be refused later, see
// AwaitForward. ctx is as for Listen. It is not called while a Change is under way.
func (t *Tunnel) AddForward(ctx context.Context, f config.Forward) (added bool, err error) {
	f.Source = config.Source{}
	all := t.wantedForwards(t.options.Load())
	if slices.ContainsFunc(all, func(other config.Forward) bool { return equalForward(f, other) }) {
		return false, nil
	}
	if slices.ContainsFunc(all, func(other config.Forward) bool { return equalListener(f, other) && !asksForAnyPort(f) }) {
		return false, fmt.Errorf("%s: another forward of this tunnel listens there", Spec(f))
	}
	t.mu.Lock()
	if len(t.added) >= maxAdded {
		t.mu.Unlock()
		return false, fmt.Errorf("%s: %d forwards have been added already", Spec(f), maxAdded)
	}
	t.added = append(t.added, f)
	t.mu.Unlock()
	if err := t.Reload(ctx, t.options.Load()); err != nil {
		t.dropAdded(f)
		return false, err
	}
	return true, nil
}

// RemoveForward takes away a forward that AddForward has added. Its open connections go on. It is not called while a Change
// is under way.
func (t *Tunnel) RemoveForward(ctx context.Context, f config.Forward) error {
	if !t.dropAdded(f) {
		same := func(other config.Forward) bool { return equalForward(f, other) }
		if slices.ContainsFunc(t.options.Load().Forwards, same) {
			return ErrConfigured
		}
		return ErrNotForwarded
	}
	return t.Reload(ctx, t.options.Load())
}

// AwaitForward waits until a remote forward listens, and returns its port; 0 for a Unix socket. The error is why it does not,
// which may change later, or ctx's. Any other forward listens when it is added.
func (t *Tunnel) AwaitForward(ctx context.Context, f config.Forward) (port int, err error) {
	if f.Kind != config.Remote {
		return f.Listen.Port, nil
	}
	_, remotes := t.forwards()
	i := slices.IndexFunc(remotes, func(r *remoteForward) bool { return equalForward(f, r.current()) })
	if i < 0 {
		return 0, ErrNotForwarded
	}
	select {
	case <-remotes[i].answered:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	s := remotes[i].status()
	switch {
	case s.State == ForwardFailed || s.State == ForwardStandby:
		return 0, errors.New(s.LastError)
	case len(s.Bound) == 0 || f.Listen.IsUnix():
		return f.Listen.Port, nil
	}
	_, text, err := net.SplitHostPort(s.Bound[0])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// dropAdded forgets a forward, and reports whether it had been added.
func (t *Tunnel) dropAdded(f config.Forward) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := len(t.added)
	t.added = slices.DeleteFunc(t.added, func(other config.Forward) bool { return equalForward(f, other) })
	return len(t.added) < before
}

// isAdded reports whether a forward was added while the tunnel runs.
func (t *Tunnel) isAdded(f config.Forward) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.added, func(other config.Forward) bool { return equalForward(f, other) })
}

// wantedForwards returns the forwards of o, and those that were added and are not among them. A place that o takes is o's.
func (t *Tunnel) wantedForwards(o *config.Options) []config.Forward {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Clone(o.Forwards)
	for _, f := range t.added {
		taken := func(other config.Forward) bool {
			return equalForward(f, other) || equalListener(f, other) && !asksForAnyPort(f)
		}
		if !slices.ContainsFunc(o.Forwards, taken) {
			all = append(all, f)
		}
	}
	return all
}

// asksForAnyPort reports whether the server chooses the port: several such forwards do not get in each other's way.
func asksForAnyPort(f config.Forward) bool {
	return f.Kind == config.Remote && f.Listen.Port == 0 && !f.Listen.IsUnix()
}

// equalForward is sameForward, however "every interface" is written.
func equalForward(a, b config.Forward) bool {
	return equalListener(a, b) && everyInterface(a.Target) == everyInterface(b.Target)
}

func equalListener(a, b config.Forward) bool {
	return a.Kind == b.Kind && everyInterface(a.Listen) == everyInterface(b.Listen)
}

// everyInterface writes "*" as the empty address that it is the same as.
func everyInterface(e config.Endpoint) config.Endpoint {
	if e.HostSet && e.Host == "*" {
		e.Host = ""
	}
	return e
}
