package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/tunneld/tunneld/config"
)

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
	if slices.ContainsFunc(all, func(other config.Forward) bool { return EqualForward(f, other) }) {
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
	switch {
	case t.Configures(f):
		return ErrConfigured
	case !t.dropAdded(f):
		return ErrNotForwarded
	}
	return t.Reload(ctx, t.options.Load())
}

// Inherit takes over what was added to another tunnel, which has been shut down. It is called before Listen.
func (t *Tunnel) Inherit(from *Tunnel) {
	from.mu.Lock()
	added := slices.Clone(from.added)
	from.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.added = added
}

// Configures reports whether f is one of the forwards of the configuration.
func (t *Tunnel) Configures(f config.Forward) bool {
	return slices.ContainsFunc(t.options.Load().Forwards, func(other config.Forward) bool { return EqualForward(f, other) })
}

// AwaitForward waits until a remote forward listens, and returns its port; 0 for a Unix socket. The error is why it does not,
// which may change later, or ctx's. Any other forward listens when it is added.
func (t *Tunnel) AwaitForward(ctx context.Context, f config.Forward) (port int, err error) {
	if f.Kind != config.Remote {
		return f.Listen.Port, nil
	}
	_, remotes := t.forwards()
	i := slices.IndexFunc(remotes, func(r *remoteForward) bool { return EqualForward(f, r.current()) })
	if i < 0 {
		return 0, ErrNotForwarded
	}
	bound, err := remotes[i].answered(ctx)
	if err != nil || f.Listen.IsUnix() {
		return 0, err
	}
	_, text, err := net.SplitHostPort(bound)
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
	t.added = slices.DeleteFunc(t.added, func(other config.Forward) bool { return EqualForward(f, other) })
	return len(t.added) < before
}

// isAdded reports whether a forward was added while the tunnel runs.
func (t *Tunnel) isAdded(f config.Forward) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.added, func(other config.Forward) bool { return EqualForward(f, other) })
}

// wantedForwards returns the forwards of o, and those that were added and are not among them. A place that o takes is o's.
func (t *Tunnel) wantedForwards(o *config.Options) []config.Forward {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Concat(o.Forwards, t.addedBesideLocked(o))
}

// addedBesideLocked returns the added forwards that o does not have, and whose places it does not take.
func (t *Tunnel) addedBesideLocked(o *config.Options) []config.Forward {
	return slices.DeleteFunc(slices.Clone(t.added), func(f config.Forward) bool {
		return slices.ContainsFunc(o.Forwards, func(other config.Forward) bool {
			return EqualForward(f, other) || equalListener(f, other) && !asksForAnyPort(f)
		})
	})
}

// asksForAnyPort reports whether the server chooses the port: several such forwards do not get in each other's way.
func asksForAnyPort(f config.Forward) bool {
	return f.Kind == config.Remote && f.Listen.Port == 0 && !f.Listen.IsUnix()
}

// EqualForward reports whether a and b are the same forward, however "every interface" is written.
func EqualForward(a, b config.Forward) bool {
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
