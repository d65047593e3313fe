package tunnel

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/bind"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// plan is how a tunnel gets from the forwards that it has to those of its options, in their order.
type plan struct {
	options     *config.Options
	log         *slog.Logger
	locals      []*wish
	remotes     []remoteWish
	goneLocals  []*localForward
	goneRemotes []*remoteForward
}

// remoteWish is a remote forward that is wanted, and the one that becomes it; nil: there is none.
type remoteWish struct {
	forward config.Forward
	old     *remoteForward
}

func (t *Tunnel) plan(o *config.Options) *plan {
	p := &plan{options: o, log: t.log}
	locals, remotes := t.forwards()
	before, wanted := t.options.Load(), t.wantedForwards(o)
	matches := matchForwards(forwardsOf(locals), wanted)
	for i, f := range wanted {
		if f.Kind == config.Remote {
			continue
		}
		w := &wish{forward: f}
		if n := matches[i]; n >= 0 {
			w.old = locals[n]
			w.have, w.failing = w.old.has(), w.old.failing() != nil
			w.moves = !bind.SameAddresses(before, o, f)
		}
		p.locals = append(p.locals, w)
	}
	p.goneLocals = unmatched(locals, matches)

	matches = matchForwards(forwardsOf(remotes), wanted)
	for i, f := range wanted {
		if f.Kind != config.Remote {
			continue
		}
		w := remoteWish{forward: f}
		if n := matches[i]; n >= 0 {
			w.old = remotes[n]
		}
		p.remotes = append(p.remotes, w)
	}
	p.goneRemotes = unmatched(remotes, matches)
	return p
}

// commitRemotes returns the remote forwards of the plan, and the functions that have the new ones live. Until these are called,
// new forwards can be stopped but ask for nothing: those that are no longer wanted have to let go first.
func (p *plan) commitRemotes(ctx context.Context, t *Tunnel) (all []*remoteForward, fresh []func()) {
	for _, w := range p.remotes {
		f := w.old
		if f == nil {
			f = newRemoteForward(t, w.forward)
			fresh = append(fresh, f.start(ctx))
		}
		f.forward.Store(&w.forward)
		all = append(all, f)
	}
	return all, fresh
}

// forwardsOf returns what each of list is now.
func forwardsOf[F interface{ current() config.Forward }](list []F) []config.Forward {
	var forwards []config.Forward
	for _, f := range list {
		forwards = append(forwards, f.current())
	}
	return forwards
}

// unmatched returns those of list whose index is not among matches.
func unmatched[F any](list []F, matches []int) []F {
	var rest []F
	for i, f := range list {
		if !slices.Contains(matches, i) {
			rest = append(rest, f)
		}
	}
	return rest
}

// matchForwards returns, for each forward that is wanted, the index of the one that becomes it; -1: none does. Each becomes at
// most one. Of several that listen alike (-R 0), the one with the same target is taken.
func matchForwards(have, want []config.Forward) []int {
	matches := slices.Repeat([]int{-1}, len(want))
	for _, same := range []func(a, b config.Forward) bool{sameForward, sameListener} {
		for i, f := range want {
			if matches[i] >= 0 {
				continue
			}
			for n, other := range have {
				if same(f, other) && !slices.Contains(matches, n) {
					matches[i] = n
					break
				}
			}
		}
	}
	return matches
}

// sameListener reports whether two forwards listen in the same way at the same place; their targets may differ.
func sameListener(a, b config.Forward) bool { return a.Kind == b.Kind && a.Listen == b.Listen }

// sameForward reports whether two forwards do the same.
func sameForward(a, b config.Forward) bool { return sameListener(a, b) && a.Target == b.Target }

// wish is a local forward that is wanted, and what has been done for it so far.
type wish struct {
	forward config.Forward
	old     *localForward // that becomes it; nil: none
	have    []*socket     // of old
	failing bool          // old does not listen everywhere
	moves   bool          // old is to listen elsewhere

	addresses []bind.Address
	opened    []*socket      // claimed or bound for it
	crowded   []bind.Address // where a socket on offer is in the way
	missing   error          // of a place that this machine lacks
	failed    error          // *Error: why it does not listen everywhere; nil: it does
	now       *localForward  // what has become of it
}

// locate finds out where the forward listens.
func (w *wish) locate(ctx context.Context, o *config.Options) {
	w.addresses, w.failed = bind.AddressesOf(ctx, o, w.forward, Spec(w.forward))
}

// covers reports whether the forward listens at p.
func (w *wish) covers(p bind.Address) bool {
	serves := func(s *socket) bool {
		return s.serves(p) || p == bind.Address{Network: "tcp", Host: s.at.Host, Port: 0}
	}
	return slices.ContainsFunc(w.have, serves) || slices.ContainsFunc(w.opened, (func(s *socket) bool { return s.serves(p) }))
}

// needless returns the sockets that a forward which moves no longer needs.
func (w *wish) needless() []*socket {
	if !w.moves || w.failed != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(w.have), func(s *socket) bool { return slices.ContainsFunc(w.addresses, s.serves) })
}

// lack makes a place that the machine lacks the failure, where there is no other failure.
func (w *wish) lack() {
	if w.failed == nil && w.missing != nil && len(w.opened)+len(w.have) == len(w.needless()) {
		w.failed = w.missing
	}
}

// strict reports whether a failure is that of the reload: what has not been bound before may stay so.
func (w *wish) strict() bool { return w.failed != nil && !w.failing }

// tell logs where the forward listens now.
func (w *wish) tell() {
	switch f := w.now; {
	case w.failed != nil && !w.failing:
		f.log.Warn("not listening yet, trying again", "err", w.failed, "hint", fault.HintOf(w.failed), "retry_in", localSchedule[0])
	case w.failed == nil && (w.old == nil || len(w.opened) > 0):
		f.log.Info("listening", "listen", strings.Join(f.bound(), " "))
	}
}
