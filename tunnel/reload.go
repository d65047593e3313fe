package tunnel

import (
	"context"
	"slices"

	"github.com/tunneld/tunneld/config"
)

// Reload takes over options that were read anew and changes only the forwards that differ: one that is new is bound, one
// that is gone no longer listens while its open connections go on, one with another target keeps its listener, and any
// other is not touched. Connect uses the new options from now on; sessions stay as they are. If a new listener can not be
// bound, nothing changes and the error is an *Error of PhaseListen. ctx is as for Listen.
func (t *Tunnel) Reload(ctx context.Context, o *config.Options) error { return t.apply(ctx, o, nil) }

// apply makes o's forwards the tunnel's. It is not called by two at a time.
func (t *Tunnel) apply(ctx context.Context, o *config.Options, inherited *Inherited) error {
	locals, remotes := t.forwards()
	fresh, err := t.bindFresh(ctx, o, locals, inherited)
	if err != nil {
		return err
	}
	t.options.Store(o)
	var gone []*localForward
	locals, gone = keepLocals(locals, o.Forwards)
	keptRemotes, goneRemotes := keepRemotes(remotes, o.Forwards)
	freshRemotes := t.freshRemotes(o, keptRemotes)

	t.mu.Lock()
	t.locals, t.remotes = append(locals, fresh...), append(keptRemotes, freshRemotes...)
	t.parting = slices.DeleteFunc(append(t.parting, gone...), func(f *localForward) bool {
		return f.conns.gauge.count() == 0 && !slices.Contains(gone, f)
	})
	t.mu.Unlock()

	for _, f := range gone {
		f.stop()
	}
	for _, f := range goneRemotes {
		f.stop()
	}
	for _, f := range fresh {
		f.start(ctx)
	}
	for _, f := range freshRemotes {
		f.start(ctx)
	}
	t.notePorts()
	return nil
}

// bindFresh binds the local forwards of o that none of have listens for: all, or none.
func (t *Tunnel) bindFresh(ctx context.Context, o *config.Options, have []*localForward, inherited *Inherited) ([]*localForward, error) {
	var fresh []*localForward
	for _, f := range o.Forwards {
		if f.Kind == config.Remote || slices.ContainsFunc(have, func(l *localForward) bool { return sameListener(*l.forward.Load(), f) }) {
			continue
		}
		listeners, err := bind(ctx, o, f, inherited)
		if err != nil {
			for _, bound := range fresh {
				closeAll(bound.listeners)
			}
			return nil, err
		}
		fresh = append(fresh, newLocalForward(t, f, listeners))
	}
	return fresh, nil
}

func (t *Tunnel) freshRemotes(o *config.Options, have []*remoteForward) []*remoteForward {
	var fresh []*remoteForward
	for _, f := range o.Forwards {
		if f.Kind != config.Remote || slices.ContainsFunc(have, func(r *remoteForward) bool { return sameListener(*r.forward.Load(), f) }) {
			continue
		}
		fresh = append(fresh, newRemoteForward(t, f))
	}
	return fresh
}

// sameListener tells whether two forwards listen in the same way at the same place; their targets may differ.
func sameListener(a, b config.Forward) bool { return a.Kind == b.Kind && a.Listen == b.Listen }

// find gives the forward of list that listens like f.
func find(list []config.Forward, f config.Forward) (config.Forward, bool) {
	i := slices.IndexFunc(list, func(other config.Forward) bool { return sameListener(f, other) })
	if i < 0 {
		return config.Forward{}, false
	}
	return list[i], true
}

func keepLocals(have []*localForward, want []config.Forward) (kept, gone []*localForward) {
	for _, f := range have {
		if now, ok := find(want, *f.forward.Load()); ok {
			f.forward.Store(&now)
			kept = append(kept, f)
			continue
		}
		gone = append(gone, f)
	}
	return kept, gone
}

func keepRemotes(have []*remoteForward, want []config.Forward) (kept, gone []*remoteForward) {
	for _, f := range have {
		if now, ok := find(want, *f.forward.Load()); ok {
			f.forward.Store(&now)
			kept = append(kept, f)
			continue
		}
		gone = append(gone, f)
	}
	return kept, gone
}
