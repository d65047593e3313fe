package tunnel

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/tunnel/bind"
)

// binding is what was done to get the sockets of a plan, so that it can be undone.
type binding struct {
	sockets   *Sockets
	offered   map[*socket]bool
	options   *config.Options
	log       *slog.Logger
	claimed   []*socket
	bound     []*socket
	displaced []*socket // closed to make room
	owners    map[*socket]*localForward
	wishes    []*wish           // of the plan
	plans     map[*Tunnel]*plan // of all tunnels that change together
}

// bind binds and claims what p wishes for. Places that collide with a socket on offer come last, when all else is bound: that
// socket has to be closed for them.
func (c *Change) bind(ctx context.Context, p *plan) *binding {
	b := &binding{sockets: c.sockets, offered: c.offered, options: p.options, log: p.log, owners: make(map[*socket]*localForward), wishes: p.locals, plans: c.plans}
	for _, w := range p.locals {
		if w.old == nil {
			w.locate(ctx, p.options)
		}
		if w.old == nil || w.moves {
			b.open(ctx, w)
		}
	}
	for _, w := range p.locals {
		if w.failed == nil {
			b.squeeze(ctx, w)
		}
		w.lack()
	}
	return b
}

// open has w listen everywhere, except where a socket on offer is in the way.
func (b *binding) open(ctx context.Context, w *wish) {
	for _, p := range w.addresses {
		if w.covers(p) {
			continue
		}
		if s := b.sockets.claim(p, b.offered); s != nil {
			b.claimed = append(b.claimed, s)
			w.opened = append(w.opened, s)
			continue
		}
		l, err := bind.At(ctx, b.options, p)
		switch {
		case err == nil:
			b.has(w, l)
		case errors.Is(err, errno.InUse) && len(b.rivals(p)) > 0:
			w.crowded = append(w.crowded, p)
		default:
			b.fail(w, p, err)
		}
	}
}

// squeeze closes what is in the way of the rest.
func (b *binding) squeeze(ctx context.Context, w *wish) {
	for _, p := range w.crowded {
		for _, s := range b.rivals(p) {
			b.owners[s] = b.sockets.displace(s)
			b.displaced = append(b.displaced, s)
		}
		l, err := bind.At(ctx, b.options, p)
		if err != nil {
			b.fail(w, p, err)
			continue
		}
		b.has(w, l)
	}
}

func (b *binding) has(w *wish, l net.Listener) {
	s := newSocket(l)
	b.bound = append(b.bound, s)
	w.opened = append(w.opened, s)
}

func (b *binding) fail(w *wish, p bind.Address, err error) {
	if bind.NoSuchAddress(err) && len(w.addresses) > 1 {
		w.missing = bind.Error(w.forward, Spec(w.forward), p.String(), err)
		return
	}
	if w.failed != nil {
		return
	}
	failed := bind.Error(w.forward, Spec(w.forward), p.String(), err)
	if holder := cmp.Or(b.sockets.holder(p), b.twin(p)); holder != "" && errors.Is(err, errno.InUse) {
		failed.Hint = holder + " listens there: take one of the two out, or choose another port"
	}
	w.failed = failed
}

// twin returns, in words, the forward that has got p a moment ago, of the same tunnel or of one that begins together with it; empty:
// there is none.
func (b *binding) twin(p bind.Address) string {
	for _, plan := range b.plans {
		for _, w := range plan.locals {
			if slices.ContainsFunc(w.opened, func(s *socket) bool { return s.collides(p) }) {
				return ofThisProcess(w.forward)
			}
		}
	}
	return ""
}

// ofThisProcess names a forward of ours. Two aliases often have the same: where it stands tells which it is.
func ofThisProcess(f config.Forward) string {
	text := Spec(f) + " of this process"
	if where := f.Source.String(); where != "" {
		text += " (" + where + ")"
	}
	return text
}

// rivals returns the sockets on offer that are in the way of p and may be closed.
func (b *binding) rivals(p bind.Address) []*socket { return b.sockets.rivals(p, b.offered) }

// undo puts everything back as it was.
func (b *binding) undo(ctx context.Context) {
	for _, s := range b.claimed {
		b.sockets.unclaim(s)
	}
	for _, s := range b.bound {
		s.close()
	}
	for _, w := range b.wishes {
		w.opened = nil // it is in nobody's way any more
	}
	for _, s := range b.displaced {
		owner := b.owners[s]
		switch err := b.sockets.replace(ctx, s, owner, b.log); {
		case err != nil:
			owner.lookAgain()
		case owner.tunnel.isClosed(): // and may have given up its sockets before this one came back
			b.sockets.drop(owner, []*socket{s})
		}
	}
}
