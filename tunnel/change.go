package tunnel

import (
	"context"
	"errors"
	"slices"

	"github.com/tunneld/tunneld/config"
)

// Change takes tunnels that share Sockets from one configuration to the next, all together: a port may go from one forward
// to another, of the same tunnel or not, and the kernel's queue of clients goes with it. A Change is used by one goroutine:
// first Plan and Leave for every tunnel that runs, then Reload and Listen, then End.
type Change struct {
	sockets *Sockets
	offered map[*socket]bool // whoever wants these may have them
	plans   map[*Tunnel]*plan
	leaving map[*Tunnel]bool
	bereft  []*localForward // a socket of theirs went to others
	dropped []handover      // sockets that are no longer wanted where they are
}

// handover is sockets and who had them when they were no longer wanted.
type handover struct {
	from    *localForward
	sockets []*socket
}

// Begin starts a Change. End must be called.
func (s *Sockets) Begin() *Change {
	return &Change{sockets: s, offered: make(map[*socket]bool), plans: make(map[*Tunnel]*plan), leaving: make(map[*Tunnel]bool)}
}

// Leave puts every socket of t, which is about to be shut down, on offer. t accepts until somebody takes them.
func (c *Change) Leave(t *Tunnel) {
	c.leaving[t] = true
	locals, _ := t.forwards()
	for _, f := range locals {
		c.offer(f.has())
	}
}

// Stay undoes Leave: t goes on, and asks again for what others have taken.
func (c *Change) Stay(t *Tunnel) { delete(c.leaving, t) }

// Plan finds out what is to change so that t lives by o, and puts on offer what it will not need. Nothing changes yet.
func (c *Change) Plan(ctx context.Context, t *Tunnel, o *config.Options) {
	p := t.plan(o)
	c.plans[t] = p
	for _, f := range p.goneLocals {
		c.offer(f.has())
	}
	for _, w := range p.locals {
		if w.moves {
			w.locate(ctx, o)
			c.offer(w.needless())
		}
	}
}

func (c *Change) offer(list []*socket) {
	for _, s := range list {
		c.offered[s] = true
	}
}

// Reload makes t live by what was planned for it and changes only the forwards that differ: one that is new is bound, one
// that is gone no longer listens while its open connections go on, one with another target keeps its listener, and any
// other is not touched. Connect uses the new options from now on; sessions stay as they are. If a new listener cannot be
// bound, nothing changes and the error is an *Error of PhaseListen. A tunnel that has been shut down binds nothing:
// ErrStopped. ctx is as for Listen.
func (c *Change) Reload(ctx context.Context, t *Tunnel) error {
	t.changing.Lock()
	defer t.changing.Unlock()
	p := c.plans[t]
	b := c.bind(ctx, p)
	var failures []error
	for _, w := range p.locals {
		if w.strict() {
			failures = append(failures, w.failed)
		}
	}
	err := errors.Join(failures...)
	if err == nil && !c.commit(ctx, t, p, b) {
		err = ErrStopped
	}
	if err != nil {
		b.undo(ctx)
	}
	return err
}

// Listen binds the local forwards of tunnels that listen nowhere yet, and starts to accept. Connections wait for a session
// up to the hold time from then on. A place that cannot be bound is asked for again until Shutdown, and Forwards says so.
// It is an error, and nothing is bound, where a tunnel has ExitOnForwardFailure, or where nothing at all could be bound
// and no tunnel has a remote forward or is patient: an *Error of PhaseListen. The tunnels run until Shutdown; the end of ctx
// cuts them off at once.
func (c *Change) Listen(ctx context.Context, tunnels ...*Tunnel) error {
	var bindings []*binding
	var failures []error
	strict, useful := false, false
	for _, t := range tunnels {
		o := t.options.Load()
		p := t.plan(o)
		c.plans[t] = p
		bindings = append(bindings, c.bind(ctx, p))
		useful = useful || len(p.remotes) > 0 || t.patient
		for _, w := range p.locals {
			useful = useful || len(w.opened) > 0
			if w.failed != nil {
				strict = strict || o.ExitOnForwardFailure
				failures = append(failures, w.failed)
			}
		}
	}
	if len(failures) > 0 && (strict || !useful) {
		for _, b := range slices.Backward(bindings) {
			b.undo(ctx)
		}
		return errors.Join(failures...)
	}
	for i, t := range tunnels {
		if !c.commit(ctx, t, c.plans[t], bindings[i]) {
			bindings[i].undo(ctx)
		}
	}
	return nil
}

// End closes the sockets that were given up and that nobody has taken. A forward whose socket went to others, but which stays
// because its tunnel could not be reloaded, asks for its place again.
func (c *Change) End() {
	for _, d := range c.dropped {
		c.sockets.drop(d.from, d.sockets)
	}
	for _, f := range c.bereft {
		if !c.leaving[f.tunnel] {
			f.lookAgain()
		}
	}
}

// commit makes p the tunnel's. It is false, and nothing has changed, where the tunnel has been shut down.
func (c *Change) commit(ctx context.Context, t *Tunnel, p *plan, b *binding) bool {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return false
	}
	if t.sockets == nil {
		t.sockets = c.sockets
	}
	if t.options.Swap(p.options) != p.options { // else a forward was added or taken away, and the way is as good as it was
		t.way.Store(nil)
	}
	t.idle.Follow(p.options.ChannelTimeout)
	t.added = t.addedBesideLocked(p.options) // what the configuration has now is the configuration's
	var locals []*localForward
	for _, w := range p.locals {
		locals = append(locals, c.commitLocal(ctx, t, w))
	}
	remotes, fresh := p.commitRemotes(ctx, t)
	t.locals, t.remotes = locals, remotes
	t.parting = slices.DeleteFunc(append(t.parting, p.goneLocals...), func(f *localForward) bool {
		return f.conns.gauge.count() == 0 && !slices.Contains(p.goneLocals, f)
	})
	t.mu.Unlock()

	for _, f := range p.goneLocals {
		f.stopAsking()
		f.share.Leave()
		c.dropped = append(c.dropped, handover{f, f.has()})
	}
	for _, s := range b.displaced {
		c.bereft = append(c.bereft, b.owners[s])
	}
	for _, w := range p.locals {
		w.tell()
	}
	stopAll(p.goneRemotes)
	for _, live := range fresh {
		live()
	}
	if len(fresh) > 0 {
		t.want() // a lazy tunnel has nobody else to connect for
	}
	t.noteChange()
	return true
}

// commitLocal returns the forward of w, with its sockets.
func (c *Change) commitLocal(ctx context.Context, t *Tunnel, w *wish) *localForward {
	f := w.old
	if f == nil {
		f = newLocalForward(t, w.forward)
		f.start(ctx)
	}
	w.now = f
	if before := f.forward.Swap(&w.forward); before.Target != w.forward.Target {
		for _, s := range f.has() {
			s.renew()
		}
	}
	if w.old == nil || w.moves {
		if needless := w.needless(); len(needless) > 0 {
			c.dropped = append(c.dropped, handover{f, needless})
		}
		c.bereft = append(c.bereft, c.sockets.assign(ctx, f, w.opened)...)
		if f.failedWith(w.failed); w.failed != nil {
			f.lookAgain()
		}
	}
	return f
}
