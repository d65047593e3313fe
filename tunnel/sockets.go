package tunnel

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/tunneld/tunneld/tunnel/bind"
	"github.com/tunneld/tunneld/tunnel/dns"
)

// Sockets are the listening sockets of a process: those that were opened for it, for example by systemd (LISTEN_FDS,
// sd_listen_fds(3)), and those that its local forwards have bound. A socket goes from one forward to another without being
// closed, so that a reload leaves no gap; one that was opened for us is kept when no forward wants it any more, since we
// could not bind the address again while the service manager has it.
type Sockets struct {
	mu     sync.Mutex // guards all following fields, claimed and end of each socket, and the listening of each forward
	all    []*socket
	freed  chan struct{} // closed and renewed when a port has become free
	closed bool          // by Close
}

// NewSockets takes charge of listeners that were opened for us.
func NewSockets(inherited []net.Listener) *Sockets {
	s := &Sockets{freed: make(chan struct{})}
	for _, l := range inherited {
		one := newSocket(l)
		one.inherited, one.dual = true, bind.TakesBothFamilies(l)
		s.all = append(s.all, one)
	}
	return s
}

// Unused returns the addresses of inherited sockets that no forward has asked for. From now on their clients are reset, since
// nobody would answer them, until a forward asks.
func (s *Sockets) Unused(ctx context.Context, log *slog.Logger) []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []net.Addr
	for _, one := range s.all {
		if one.inherited && one.end == nil {
			list = append(list, one.listener.Addr())
			one.begin(ctx, log)
		}
	}
	return list
}

// Close gives up the inherited sockets that no forward uses, now and later: clients wait in their queues for the next process
// that the service manager passes them to. The others are closed with their forwards.
func (s *Sockets) Close() {
	s.mu.Lock()
	s.closed = true
	idle := slices.DeleteFunc(slices.Clone(s.all), func(one *socket) bool { return one.owner != nil })
	s.all = slices.DeleteFunc(s.all, func(one *socket) bool { return one.owner == nil })
	s.mu.Unlock()
	for _, one := range idle {
		one.close()
	}
}

// claim returns the socket that listens at p already and may be taken: one that is on offer, or one that was opened for us
// and nobody uses. nil: there is none. Whoever claims it calls assign or unclaim.
func (s *Sockets) claim(p bind.Address, offered map[*socket]bool) *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if !one.claimed && one.serves(p) && (one.owner == nil || offered[one]) {
			one.claimed = true
			return one
		}
	}
	return nil
}

// unclaim undoes claim. A socket whose owner has ended meanwhile, and left it to whoever claimed it, is closed.
func (s *Sockets) unclaim(one *socket) {
	s.mu.Lock()
	one.claimed = false
	abandoned := one.owner == nil && !one.inherited
	if abandoned {
		s.all = without(s.all, one)
	}
	s.mu.Unlock()
	if abandoned {
		one.close()
		s.tellFreed()
	}
}

// assign has f accept on these sockets, and returns the forwards that did before. ctx is for newly bound ones: their accepting
// ends with it.
func (s *Sockets) assign(ctx context.Context, f *localForward, list []*socket) (bereft []*localForward) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range list {
		one.claimed = false
		if before := one.owner; before != nil && before != f {
			before.lose(one)
			bereft = append(bereft, before)
		}
		if !slices.Contains(s.all, one) {
			s.all = append(s.all, one)
		}
		one.handTo(f)
		if one.end == nil {
			one.begin(ctx, f.tunnel.log)
		}
	}
	f.gain(list...)
	return bereft
}

// drop takes sockets from f, as far as it still has them. Those that were bound for it are closed, unless somebody has
// claimed them; it waits for that.
func (s *Sockets) drop(f *localForward, list []*socket) {
	s.mu.Lock()
	var ending []*socket
	for _, one := range list {
		if one.owner != f {
			continue
		}
		f.lose(one)
		if one.claimed || one.inherited && !s.closed {
			one.handTo(nil)
			continue
		}
		s.all = without(s.all, one)
		ending = append(ending, one)
	}
	s.mu.Unlock()
	for _, one := range ending {
		one.close()
	}
	if len(list) > 0 {
		s.tellFreed()
	}
}

// tellFreed tells those who wait for a port that one has become free.
func (s *Sockets) tellFreed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.freed)
	s.freed = make(chan struct{})
}

// rivals returns the sockets on offer that nobody claims, that are in the way of a listener at p, and that may be closed.
func (s *Sockets) rivals(p bind.Address, offered map[*socket]bool) []*socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*socket
	for _, one := range s.all {
		if offered[one] && !one.claimed && !one.inherited && p.Network != "unix" && one.collides(p) {
			list = append(list, one)
		}
	}
	return list
}

// displace closes a socket to make room, and returns the forward that had it.
func (s *Sockets) displace(one *socket) *localForward {
	s.mu.Lock()
	f := one.owner
	f.lose(one)
	s.all = without(s.all, one)
	s.mu.Unlock()
	one.close()
	return f
}

// replace listens again where a socket has been displaced, for f.
func (s *Sockets) replace(ctx context.Context, one *socket, f *localForward, log *slog.Logger) error {
	l, err := bind.Port(ctx, one.at)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one.listener = l
	one.begin(ctx, log)
	f.gain(one)
	s.all = append(s.all, one)
	return nil
}

// whenFreed returns a channel that is closed when one of our ports becomes free.
func (s *Sockets) whenFreed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freed
}

// holder returns, in words, which of our own sockets is in the way of a listener at p; empty: none is.
func (s *Sockets) holder(p bind.Address) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		switch {
		case !one.collides(p):
		case one.owner != nil:
			return ofThisProcess(*one.owner.forward.Load())
		default:
			return "the socket " + one.at.String() + " of the service manager"
		}
	}
	return ""
}

func without[T comparable](list []T, one T) []T {
	return slices.DeleteFunc(list, func(other T) bool { return other == one })
}

// socket is a listening socket and who accepts on it.
type socket struct {
	listener  net.Listener
	at        bind.Address
	inherited bool // opened for us: closed by Sockets.Close alone
	dual      bool // an IPv6 socket that takes IPv4 as well (IPV6_V6ONLY off)

	claimed   bool               // is about to be assigned
	end       context.CancelFunc // of accepting; nil: nobody accepts yet
	accepting sync.WaitGroup

	mu    sync.Mutex         // guards all following fields; owner changes under Sockets.mu only
	owner *localForward      // nil: whoever comes is reset
	moved context.CancelFunc // ends a wait for the room that an owner has; nil: nobody waits
}

func newSocket(l net.Listener) *socket {
	return &socket{listener: l, at: bind.AddressOf(l.Addr())}
}

// begin accepts until close. The end of ctx ends the pauses.
func (s *socket) begin(ctx context.Context, log *slog.Logger) {
	ctx, s.end = context.WithCancel(ctx)
	l := s.listener
	s.accepting.Go(func() { acceptLoop(ctx, l, log, s.awaitRoom, s.accepted) })
}

// awaitRoom waits until the owner may have another connection, or ceases to be it.
func (s *socket) awaitRoom(ctx context.Context) {
	for {
		s.mu.Lock()
		owner := s.owner
		s.mu.Unlock()
		if owner == nil || owner.hasRoom() {
			return
		}
		waiting, cancel := context.WithCancel(ctx)
		s.mu.Lock()
		owner = s.owner
		s.moved = cancel
		s.mu.Unlock()
		if owner != nil {
			owner.awaitRoom(waiting)
		}
		moved := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		if !moved {
			return
		}
	}
}

// accepted hands a connection to the forward that owns the socket now. It does not block.
func (s *socket) accepted(conn stream) {
	s.mu.Lock()
	defer s.mu.Unlock() // until the forward counts it: none comes behind the back of one that gives the socket up
	if s.owner == nil {
		reset(conn)
		return
	}
	s.owner.take(conn)
}

func (s *socket) handTo(f *localForward) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = f
	s.renew()
	if s.moved != nil {
		s.moved()
	}
}

// renew is for when connections are to go elsewhere from now on: one that carries what several clients say takes no more of it.
func (s *socket) renew() {
	if l, ok := s.listener.(*dns.Listener); ok {
		l.Renew()
	}
}

// close ends listening and waits for the accept loop.
func (s *socket) close() {
	if s.end != nil {
		s.end()
	}
	s.listener.Close()
	s.accepting.Wait()
}

// serves reports whether what is meant for p arrives here.
func (s *socket) serves(p bind.Address) bool {
	if p.Network == "tcp" && p.Port == 0 {
		return false
	}
	return s.at == p || s.dual && p == bind.Address{Network: "tcp", Host: "0.0.0.0", Port: s.at.Port} && s.at.Host == "::"
}

// collides reports whether the kernel lets nobody listen at p while this socket does.
func (s *socket) collides(p bind.Address) bool {
	switch {
	case s.at.Network != p.Network || s.at.Port != p.Port:
		return false
	case s.at.Host == p.Host:
		return p.Network == "unix" || p.Port != 0
	}
	return p.Network != "unix" && p.Port != 0 && (s.at.IsEverywhere() || p.IsEverywhere()) && (s.dual || s.at.IsIPv6() == p.IsIPv6())
}
