// Package tunnel carries bytes: it makes SSH connections and moves what the forwards carry through them.
//
// A Tunnel lives as long as the command, a Session as long as one SSH connection. Local listeners belong to the Tunnel
// and are bound once; that is why local ports survive every outage. Nothing here decides when to connect again: that is
// the monitor's, which calls Connect, Join, Leave and Retire.
//
// The package has deadlines but one schedule only: a remote port that the server refuses is asked for again on the same
// session (remote.go). It stands here because it lives and dies with the session that asks.
package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/idle"
	"github.com/tunneld/tunneld/tunnel/portfile"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// Tunnel is a set of forwards and the sessions that carry them.
type Tunnel struct {
	dialer  *sshconn.Dialer
	log     *slog.Logger
	options atomic.Pointer[config.Options]
	way     atomic.Pointer[config.Options] // to the server, see Follow; nil: that of options
	pool    pool
	wanted  chan struct{} // of one element; see Wanted
	ports   portfile.File
	limits  *Limits
	idle    idle.Watch  // closes what ChannelTimeout names
	warned  atomic.Bool // that local connections are refused in this outage
	patient bool        // see BePatient

	annexes  annexes
	directs  gauge // connections without a forward; see Direct
	riders   riders
	onChange func()     // nil: nobody wants to know
	changing sync.Mutex // held by whoever changes what is bound

	mu      sync.Mutex // guards all following fields
	sockets *Sockets   // nil before Listen
	locals  []*localForward
	remotes []*remoteForward
	added   []config.Forward // while it runs; see AddForward
	parting []*localForward  // taken out by Reload; their open connections go on
	closed  bool             // by Shutdown
}

// New returns a tunnel that listens nowhere and is connected to nothing. The options must not be changed afterwards.
func New(o *config.Options, d *sshconn.Dialer, log *slog.Logger) *Tunnel {
	t := &Tunnel{dialer: d, log: log, wanted: make(chan struct{}, 1), limits: NewLimits()}
	t.options.Store(o)
	t.idle.Follow(o.ChannelTimeout)
	return t
}

// Share makes the tunnel keep to limits together with others. It must be called before Listen; without it, the tunnel has
// limits of its own.
func (t *Tunnel) Share(limits *Limits) { t.limits = limits }

// BePatient has the tunnel go on where none of its local forwards can be bound, and ask for them again, as ssh goes on when it
// has something else to do. It is called before Listen.
func (t *Tunnel) BePatient() { t.patient = true }

// OnChange has changed, which must not block, called after each change of what Forwards says about listeners. It is called
// before Listen.
func (t *Tunnel) OnChange(changed func()) { t.onChange = changed }

// noteChange is called when what Forwards returns has changed.
func (t *Tunnel) noteChange() {
	t.notePorts()
	if t.onChange != nil {
		t.onChange()
	}
}

// Connect makes one attempt: name look-up, TCP, key exchange, host key, authentication. It blocks until the attempt has
// succeeded or failed, at most for the connect timeout, or until ctx is done. The session carries nothing before Join;
// the caller closes it.
func (t *Tunnel) Connect(ctx context.Context) (*Session, error) {
	o, way := t.options.Load(), t.wayNow()
	l, err := t.dialer.Dial(ctx, way)
	if err != nil {
		return nil, err
	}
	s := newSession(ctx, l, o.Echo, t.log)
	s.way, s.agent.path = way, agentOf(o.Through(way))
	s.idle = &t.idle
	return s, nil
}

// Join puts s into service: held connections get it at once, in the order in which they came, and it takes on the
// remote forwards that no session owns.
func (t *Tunnel) Join(s *Session) {
	t.warned.Store(false)
	t.pool.join(s)
}

// Leave takes a session out of service. Its open connections go on for as long as it lives.
func (t *Tunnel) Leave(s *Session) {
	t.pool.leave(s)
	s.leave()
}

// Retire takes s out of service, hands its remote forwards over, waits until its open connections have ended or ctx is
// done, and closes it. The error is ctx's, where connections were cut.
func (t *Tunnel) Retire(ctx context.Context, s *Session) error {
	t.Leave(s)
	err := s.drain(ctx)
	s.Close()
	if err := s.Wait(context.WithoutCancel(ctx)); err != nil {
		t.log.Debug("something of a session is left over", "err", err)
	}
	return err
}

// Wanted is sent to when a local connection needs a session and there is none, and when there is a new remote forward: a lazy tunnel
// connects then.
func (t *Tunnel) Wanted() <-chan struct{} { return t.wanted }

// Forwards returns a snapshot of every forward, local ones first.
func (t *Tunnel) Forwards() []ForwardStatus {
	locals, remotes := t.forwards()
	list := make([]ForwardStatus, 0, len(locals)+len(remotes))
	for _, f := range locals {
		list = append(list, f.status())
	}
	for _, f := range remotes {
		list = append(list, f.status())
	}
	return list
}

func (t *Tunnel) forwards() ([]*localForward, []*remoteForward) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.locals), slices.Clone(t.remotes)
}

// isClosed reports whether Shutdown has begun.
func (t *Tunnel) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// Shutdown stops accepting, resets the connections that wait for a session, lets open ones go on until they end or ctx
// is done, and closes everything. Nothing of the tunnel runs afterwards, except for sessions that Retire still drains and for
// an SSH library that hangs (see Session.Wait). The error is ctx's, where connections were cut.
func (t *Tunnel) Shutdown(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true // a reload that is under way binds nothing more
	t.mu.Unlock()
	locals, remotes := t.forwards()
	for _, f := range locals {
		f.stop()
	}
	for _, f := range remotes {
		f.cancel() // the server stops accepting, which may take it a while, and another process may take over
	}
	t.pool.close()
	t.ports.Remove(t.log) // before open connections end, which may take long: a reload may have begun another by then
	t.mu.Lock()
	locals = append(locals, t.parting...)
	t.locals, t.remotes, t.parting = nil, nil, nil
	t.mu.Unlock()
	var cut error
	for _, f := range locals {
		cut = errors.Join(cut, f.conns.drain(ctx))
	}
	sessions := slices.Concat(t.pool.sessions(), t.annexes.close())
	for _, s := range sessions {
		cut = errors.Join(cut, s.drain(ctx))
		t.Leave(s)
		s.Close()
	}
	for _, f := range locals {
		f.cancel()
		f.conns.gauge.wait(context.WithoutCancel(ctx))
	}
	for _, f := range remotes {
		f.stop()
	}
	t.pool.queueDrained()
	ending, cancel := context.WithTimeout(context.Background(), endTime) // for all of them together
	defer cancel()
	for _, s := range sessions {
		if err := s.Wait(ending); err != nil {
			t.log.Debug("something of a session is left over", "err", err)
		}
	}
	return cut
}

// Close is Shutdown without any time for open connections. It returns nil.
func (t *Tunnel) Close() error {
	at, now := context.WithCancel(context.Background())
	now()
	t.Shutdown(at) // whose error says only that it was so
	return nil
}
