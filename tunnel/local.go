package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/gone"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/seek"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// localForward is a -L or a -D. It belongs to the Tunnel: its sockets are bound once and stay through every outage.
type localForward struct {
	tunnel      *Tunnel
	forward     atomic.Pointer[config.Forward] // only its target ever changes
	name        string                         // tells it from others
	log         *slog.Logger
	count       counter
	conns       connSet
	take        func(stream)          // serves a connection, without blocking; set by start
	cancel      context.CancelFunc    // ends open connections; set by start
	failed      atomic.Pointer[error] // why it does not listen everywhere; nil: it does
	seek        *seek.Seek            // asks for places that could not be bound
	share       *limit.Share          // of the connections that the process may have; set by start
	asking      *limit.Quota          // of the connections that the server has not answered, by target; for a -D alone
	limited     limited
	unreachable wrongTarget
	sockets     []*socket // guarded by Sockets.mu
}

func newLocalForward(t *Tunnel, f config.Forward) *localForward {
	l := &localForward{tunnel: t, name: Spec(f), log: t.log.With("forward", Spec(f)), seek: seek.New(), asking: limit.NewQuota(0)}
	l.forward.Store(&f)
	return l
}

func (f *localForward) current() config.Forward { return *f.forward.Load() }

// start makes the forward ready for connections, and has it ask for places that could not be bound until stopAsking.
// Sockets and connections end when alive does.
func (f *localForward) start(alive context.Context) {
	serving, cancel := context.WithCancel(alive)
	f.cancel = cancel
	f.share = f.tunnel.limits.connections.Join(0)
	f.take = func(conn stream) {
		f.share.Occupy()
		ended, number := f.conns.track(conn), f.tunnel.pool.arrive()
		go func() {
			defer f.share.Release()
			defer ended()
			f.serve(serving, conn, number)
		}()
	}
	f.seek.Start(alive, func(asking context.Context) { f.keep(asking, alive) })
}

// stopAsking leaves the sockets as they are from now on.
func (f *localForward) stopAsking() { f.seek.Stop() }

// stop gives the sockets up and waits for that. Open connections go on.
func (f *localForward) stop() {
	f.stopAsking()
	f.tunnel.sockets.drop(f, f.has())
	f.share.Leave()
}

// has returns the sockets that the forward listens on.
func (f *localForward) has() []*socket {
	f.tunnel.sockets.mu.Lock()
	defer f.tunnel.sockets.mu.Unlock()
	return slices.Clone(f.sockets)
}

// gain and lose are called under Sockets.mu.
func (f *localForward) gain(list ...*socket) {
	f.sockets = append(f.sockets, list...)
	f.share.Fix(len(f.sockets))
}

func (f *localForward) lose(one *socket) {
	f.sockets = without(f.sockets, one)
	f.share.Fix(len(f.sockets))
}

// bound returns the addresses that the forward listens on.
func (f *localForward) bound() []string {
	var list []string
	for _, s := range f.has() {
		list = append(list, s.at.String())
	}
	return list
}

// serve carries one client's connection to its end and closes it. The number says when it came.
func (f *localForward) serve(ctx context.Context, conn stream, number uint64) {
	f.count.total.Add(1)
	f.count.open.Add(1)
	defer f.count.open.Add(-1)
	forward := f.forward.Load()
	if forward.Kind == config.Dynamic {
		f.serveDynamic(ctx, conn, number)
		return
	}
	ch, err := f.open(ctx, conn, number, forward.Target)
	if err = unreachable(forward.Target, err); err != nil {
		f.reject(conn, err)
		return
	}
	(&splice{conn, ch, &f.count, nil}).run(ctx)
}

// reject ends a connection that could not be served: as ssh by a plain close when the target refused, by a reset when the
// tunnel is down, so that no client takes it for an answer.
func (f *localForward) reject(conn net.Conn, err error) {
	f.noteRefused(conn, err)
	if _, wrong := errors.AsType[*UnreachableError](err); wrong {
		f.unreachable.tell(f.log, err)
		conn.Close()
		return
	}
	reset(conn)
}

// noteRefused notes that a connection was not served, and why.
func (f *localForward) noteRefused(conn net.Conn, err error) {
	f.count.failed(err)
	if errors.Is(err, errTooManyOpens) || errors.Is(err, errManyTarget) {
		f.limited.noteRefused(f.log, err)
	}
	f.log.Debug("connection refused", "peer", peerOf(conn), "err", err)
}

// open asks a live session for a channel to target on behalf of conn. Without one it waits up to the hold time; it asks
// again when the session ends before the server has answered, and gives up when the client leaves. Nobody may read conn
// meanwhile.
func (f *localForward) open(ctx context.Context, conn net.Conn, number uint64, target config.Endpoint) (*channel, error) {
	if f.forward.Load().Kind == config.Dynamic {
		if name := endpointText(target); !f.asking.TakeOf(f.share.Most(), name) {
			return nil, errManyTarget
		} else {
			defer f.asking.Release(name)
		}
	}
	who := caller{conn: conn, number: number, forward: f.name, count: &f.count}
	kind, payload := openPayload(target, conn.RemoteAddr())
	for {
		p, err := f.tunnel.hold(ctx, who)
		if err != nil {
			return nil, err
		}
		ch, err := f.ask(ctx, p, conn, target, kind, payload)
		if errors.Is(err, errSessionDown) {
			f.tunnel.pool.leave(p.session)
			who.waited += p.waited
			continue
		}
		if err == nil {
			f.tunnel.pool.queueDrained()
		}
		if err == nil && f.log.Enabled(ctx, slog.LevelDebug) { // what it says takes longer to find out than all the rest
			f.log.Debug("connection opened", "peer", peerOf(conn), "target", foreign.Line(endpointText(target)))
		}
		return ch, err
	}
}

// goneGrace is how long a client is still served that has closed the connection, or only its own direction. The two look the
// same, and `nc -N HOST PORT </dev/null` still wants to read.
const goneGrace = 3 * time.Second

// ask asks s for a channel for as long as the client of conn waits for it.
func (f *localForward) ask(ctx context.Context, p *place, conn net.Conn, target config.Endpoint, kind string, payload []byte) (*channel, error) {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer gone.Watch(conn, func() {
		left := time.AfterFunc(goneGrace, func() { giveUp(errClientGone) })
		context.AfterFunc(ctx, func() { left.Stop() })
	})()
	return p.open(ctx, endpointText(target), kind, payload)
}

// openPayload returns the channel type and the payload that reach target: RFC 4254 §7.2 or OpenSSH PROTOCOL §2.4.
func openPayload(target config.Endpoint, origin net.Addr) (string, []byte) {
	host, port := originOf(origin)
	if target.IsUnix() {
		return "direct-streamlocal@openssh.com", ssh.Marshal(directStreamLocal{Path: target.Path})
	}
	return "direct-tcpip", sshconn.MarshalTCPOpen(target.Host, uint32(target.Port), host, port)
}

// originOf returns the client's address for the server's log. Clients of Unix sockets have none; OpenSSH sends the loopback.
func originOf(a net.Addr) (string, uint32) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.IP.String(), uint32(tcp.Port)
	}
	return "127.0.0.1", 65535
}

func peerOf(conn net.Conn) string {
	if a := conn.RemoteAddr(); a != nil && a.String() != "" && a.String() != "@" {
		return foreign.Line(a.String()).String() // the client of a Unix socket has chosen it
	}
	return "unix socket"
}

// status returns a snapshot.
func (f *localForward) status() ForwardStatus {
	forward := *f.forward.Load()
	s := ForwardStatus{Kind: forward.Kind, Spec: argument(forward), State: ForwardListening, Bound: f.bound(), Target: targetText(forward), Limit: f.limited.text(), Added: f.tunnel.isAdded(forward)}
	f.count.fill(&s)
	if s.Held > 0 {
		s.HeldSince = f.tunnel.pool.heldSince(f.name)
	}
	if err := f.failing(); err != nil {
		s.State, s.LastError = ForwardFailed, bindTrouble(err)
	}
	return s
}
