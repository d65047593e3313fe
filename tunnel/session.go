package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/idle"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/load"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// errClosed ends a session that we closed ourselves.
var errClosed = errors.New("closed")

// errStillRuns is what Wait returns where the SSH library hangs.
var errStillRuns = fmt.Errorf("the ssh library has not ended within %v", endTime)

// Session is one authenticated SSH connection. It lives from Connect until it is closed, retired or lost; nothing in it
// refers to a local listener. Its goroutines end with it.
type Session struct {
	link     *sshconn.Conn
	joined   uint64          // its number in the order in which sessions have joined; set by pool.join
	way      *config.Options // that it was made by
	log      *slog.Logger
	opens    *limit.Quota   // opens the server has not answered, by target
	arrived  *limit.Quota   // connections the server opened that we have not answered, by listener
	channels gauge          // places that are taken, whoever opened the channel
	carried  atomic.Uint64  // bytes that went through channels
	doubted  atomic.Bool    // Doubt
	heavy    load.Transfers // channels that carry much now
	listens  listenTable    // what the server listens on for us
	owned    gauge          // remote forwards that live here
	seats    limit.Seats    // those sessions of RFC 4254 §6 that are open, or asked for
	ridden   gauge          // other channels of programs that ride on s
	first    chan struct{}  // closed when the session that goes before all others has been asked for; nil: there is none; see Reserve
	asked    func()         // closes it
	agent    agentForward
	echo     echoLoop
	proofs   lifeProofs
	idle     *idle.Watch // the tunnel's, of ChannelTimeout; nil: none

	rejections rejections
	closing    atomic.Int32 // channels that we closed and the server did not, yet

	learned  bool                 // that the server has announced its host keys; serve alone looks
	settling chan chan<- struct{} // asks serve to count what has arrived

	leaveOnce sync.Once
	leaving   chan struct{} // closed when the session takes no new work: retired or ended
	endOnce   sync.Once
	done      chan struct{} // closed when err is set
	err       error         // why it ended; read after done
	cancel    context.CancelFunc
	running   gauge // goroutines that the session has started
}

// newSession starts serving what the server sends on l. The session owns l from here on; the values of ctx are kept, its
// end is not: the session outlives the attempt that made it.
func newSession(ctx context.Context, l *sshconn.Conn, echo config.Echo, log *slog.Logger) *Session {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Session{
		link:     l,
		log:      log,
		opens:    limit.NewQuota(maxPendingOpens),
		arrived:  limit.NewQuota(maxForwarded),
		leaving:  make(chan struct{}),
		settling: make(chan chan<- struct{}),
		done:     make(chan struct{}),
		cancel:   cancel,
	}
	s.echo.way = echo
	s.proofs.patience, s.proofs.tarry, s.proofs.hurried = muteTime, tarryTime, make(chan struct{}, 1)
	l.Wire.OnDead(s.wireDied)
	s.run(func() { s.serve(ctx) })
	return s
}

// wireDied ends the session the moment the network does. Where the library closed the wire itself, because the server
// said goodbye or broke the protocol, Wait knows the reason in a moment.
func (s *Session) wireDied() {
	if err := s.link.Err(); !errors.Is(err, net.ErrClosed) {
		s.end(connectionLost(err))
		return
	}
	s.run(func() { s.end(connectionLost(foreign.Error(s.link.Conn.Wait()))) })
}

// connectionLost names the end of a connection by the peer or the network.
func connectionLost(err error) error {
	return &fault.Error{Phase: fault.PhaseSession, Err: err}
}

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err is why the session ended. It is nil until Done is closed.
func (s *Session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the session at once: open connections are reset, pending opens fail. It does not wait for the peer and may
// be called more than once.
func (s *Session) Close() error {
	s.end(&fault.Error{Phase: fault.PhaseSession, Err: errClosed})
	return nil
}

// CloseWith is Close with the reason that Err returns from then on, for example a probe that got no answer.
func (s *Session) CloseWith(err error) { s.end(err) }

// end closes the wire, which unblocks every call into the library. The first error wins.
func (s *Session) end(err error) {
	s.endOnce.Do(func() {
		s.err = err
		s.leave()
		close(s.done)
		s.cancel()
		s.run(func() { s.link.Close() }) // takes a moment, and end is called by the wire itself
	})
}

// leave closes leaving: the session takes no new work, and open connections go on.
func (s *Session) leave() { s.leaveOnce.Do(func() { close(s.leaving) }) }

// isLeaving reports whether the session takes no new work.
func (s *Session) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// broken reports whether the transport has ended; it is true before the library's readers see the end.
func (s *Session) broken() bool {
	select {
	case <-s.done:
		return true
	default:
		return s.link.Wire.Dead()
	}
}

// endTime is how long an ended session waits for its goroutines. Whatever hangs in the SSH library is released a second after
// the wire's death (sshconn/release.go), and a ProxyCommand is killed before that.
const endTime = 3 * time.Second

// run calls f in a goroutine that Wait waits for.
func (s *Session) run(f func()) {
	s.running.add()
	go func() {
		defer s.running.done()
		f()
	}()
}

// Wait waits until the session has ended and nothing that it started runs any more, or ctx is done. After the end it waits for
// endTime at most, because the SSH library may hang. It returns an error where something is left.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, endTime, errStillRuns)
	defer cancel()
	return s.running.wait(ctx)
}

// Server returns whom we are connected to and what was negotiated.
func (s *Session) Server() sshconn.Server { return s.link.Info }

// CertificateExpiry is when the user certificate that opened the session ends; zero where none was used or it has no end.
func (s *Session) CertificateExpiry() time.Time { return s.link.Info.CertExpiry }

// StaleKeys returns, in words, why the session ought to be replaced by one with new keys; empty: it need not be.
func (s *Session) StaleKeys() string { return s.link.StaleKeys() }

// LastRead is when the last byte arrived from the server. Any byte is a sign of life.
func (s *Session) LastRead() time.Time { return s.link.Wire.LastRead() }

// Counts returns the bytes read from and written to the network.
func (s *Session) Counts() (in, out uint64) { return s.link.Wire.Counts() }

// Carried returns the bytes that connections have brought and taken. It stands still while none of them moves.
func (s *Session) Carried() uint64 { return s.carried.Load() }

// Doubt says whether the session is in doubt, because nothing is heard of it: new connections go to another one where there is one.
func (s *Session) Doubt(is bool) { s.doubted.Store(is) }

// Open is the number of connections that use the session or are about to, which is its load.
func (s *Session) Open() int { return s.channels.count() }

// Keepalive sends keepalive@openssh.com and returns the time until the answer. Any answer is a sign of life: OpenSSH's
// sshd answers with a failure (OpenSSH PROTOCOL §2.8). It blocks until ctx is done at most, whatever the library does.
func (s *Session) Keepalive(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	if _, _, err := s.request(ctx, keepalive, nil); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// Ask is Keepalive for who would rather be called than wait: with the time until the answer, or with an error where the session has
// ended; never where the library loses the answer. answered must not block.
func (s *Session) Ask(answered func(time.Duration, error)) {
	began := time.Now()
	s.ask(keepalive, nil, func(r requestResult) {
		if r.err != nil {
			r.err = errSessionDown
		}
		answered(time.Since(began), r.err)
	})
}

// serve hands every channel that the server opens to a goroutine of its own, and answers what it asks: a loop that waits here
// for anything but room on the wire stops the whole connection.
func (s *Session) serve(ctx context.Context) {
	requests := s.link.Reqs
	for {
		select {
		case c, ok := <-s.link.Chans:
			if !ok {
				return
			}
			s.serveChannel(ctx, c)
		case r, ok := <-requests:
			if !ok {
				requests = nil
				continue
			}
			s.serveRequest(ctx, r)
		case settled := <-s.settling:
			for range len(s.link.Chans) { // the library has put them there before it took the answer that settle follows
				if c, ok := <-s.link.Chans; ok {
					s.serveChannel(ctx, c)
				}
			}
			close(settled)
		}
	}
}

// serveChannel takes a place for a channel and hands it to a goroutine of its own.
func (s *Session) serveChannel(ctx context.Context, c ssh.NewChannel) {
	if size := len(c.ChannelType()) + len(c.ExtraData()); size > maxOpenText {
		s.hostile("opened a channel with %d bytes of text", size)
		return
	}
	switch kind := c.ChannelType(); {
	case kind == "forwarded-tcpip", kind == "forwarded-streamlocal@openssh.com":
		p := s.place()
		s.run(func() { s.forwarded(ctx, c, p) })
	case kind == agentChannel && s.agent.offered():
		p := s.place()
		s.run(func() { s.serveAgent(ctx, c, p) })
	default:
		s.reject(c, ssh.UnknownChannelType, "not offered by this client")
	}
}

// drain waits until nothing uses s any more or ctx is done. s has been taken out of service.
func (s *Session) drain(ctx context.Context) error {
	if err := s.owned.wait(ctx); err != nil {
		return err
	}
	s.settle(ctx) // what is open decides, where there is no time left for that
	return s.channels.wait(ctx)
}

// settle waits until every connection that the server opened before it answered the last request has its place.
func (s *Session) settle(ctx context.Context) error {
	settled := make(chan struct{})
	select {
	case s.settling <- settled:
		<-settled
		return nil
	case <-s.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Homeless reports whether this machine has lost the address that the connection was made from. The address may come back, but
// until then nothing gets through. It is false where there is no such address, as behind a ProxyCommand.
func (s *Session) Homeless() bool {
	first := s.link
	for first.Via != nil {
		first = first.Via
	}
	local, ok := first.Wire.LocalAddr().(*net.TCPAddr)
	if !ok || local.Port == 0 {
		return false
	}
	addresses, err := net.InterfaceAddrs()
	return err == nil && !slices.ContainsFunc(addresses, func(a net.Addr) bool {
		own, ok := a.(*net.IPNet)
		return ok && (own.IP.Equal(local.IP) || own.IP.IsLoopback() && local.IP.IsLoopback())
	})
}
