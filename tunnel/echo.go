package tunnel

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// ErrEchoUnavailable says that this server does not let us probe the data path. Asking again on the same session is of no use.
// It is an errors.ErrUnsupported.
var ErrEchoUnavailable = fmt.Errorf("the server does not allow the echo loop: %w", errors.ErrUnsupported)

// nonceSize is the number of random bytes in a probe.
const nonceSize = 16

// echoLoop is a listener at the server whose connections come back to us. The zero value has none yet.
type echoLoop struct {
	way     config.Echo  // set before the session is used
	worked  atomic.Bool  // a probe has come back by way of listen
	callers atomic.Int32 // connections to the listener that have not said who they are

	mu     sync.Mutex // guards all following fields; held while the listener is asked for
	listen *remoteListen
	nonces map[[nonceSize]byte]struct{} // probes under way
}

// Echo sends a nonce through the data path and returns the time until it came back. With TunneldEcho auto or a port it goes
// out through a channel to a listener at the server and comes back through it (RFC 4254 §7); with service:PORT an echo
// service (RFC 862) at the server answers. It blocks until ctx is done at most. ErrEchoUnavailable says that the server
// does not allow it.
func (s *Session) Echo(ctx context.Context) (time.Duration, error) {
	if s.echo.way.Mode == config.EchoOff {
		return 0, ErrEchoUnavailable
	}
	port := uint32(s.echo.way.Port)
	if s.echo.way.Mode != config.EchoService {
		l, err := s.echoListener(ctx, s.echo.way.Port)
		if err != nil {
			return 0, err
		}
		port = l.port
	}
	var nonce [nonceSize]byte
	rand.Read(nonce[:])
	defer s.echo.expect(nonce)()
	began := time.Now()
	if err := s.echoOnce(ctx, port, nonce); err != nil {
		s.forsakeEcho()
		return 0, err
	}
	s.echo.worked.Store(true)
	return time.Since(began), nil
}

// forsakeEcho gives up a listener on a port that the server chose where no probe has ever come back by it, so that the next one asks
// for another: OpenSSH's server is content to listen on one address of localhost alone where somebody has the port on the other,
// and connections to localhost may go there.
func (s *Session) forsakeEcho() {
	s.echo.mu.Lock()
	defer s.echo.mu.Unlock()
	if l := s.echo.listen; l != nil && !s.echo.worked.Load() && l.endpoint.Port == 0 {
		s.echo.listen = nil
		s.listens.remove(l)
		s.run(func() { _ = s.unlisten(context.Background(), l) }) // which is not heard of where the connection is dead
	}
}

// echoListener returns the loop's listener and asks for it at the first probe.
func (s *Session) echoListener(ctx context.Context, port int) (*remoteListen, error) {
	s.echo.mu.Lock()
	l := s.echo.listen
	s.echo.mu.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := s.listen(ctx, config.Endpoint{Host: "localhost", HostSet: true, Port: port}, s.echoBack)
	if errors.Is(err, errDenied) {
		return nil, fmt.Errorf("%w: %w", ErrEchoUnavailable, err)
	}
	if err != nil {
		return nil, err
	}
	s.echo.mu.Lock()
	s.echo.listen = l
	s.echo.mu.Unlock()
	return l, nil
}

// expect notes a nonce under way; the function that it returns forgets it.
func (e *echoLoop) expect(nonce [nonceSize]byte) func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.nonces == nil {
		e.nonces = make(map[[nonceSize]byte]struct{})
	}
	e.nonces[nonce] = struct{}{}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.nonces, nonce)
	}
}

func (e *echoLoop) expected(nonce [nonceSize]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.nonces[nonce]
	return ok
}

// rests reports whether l is the loop's listener and no probe is on its way to it.
func (e *echoLoop) rests(l *remoteListen) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listen == l && len(e.nonces) == 0
}

// echoOnce sends the nonce to port at the server and reads it back.
func (s *Session) echoOnce(ctx context.Context, port uint32, nonce [nonceSize]byte) error {
	payload := sshconn.MarshalTCPOpen("localhost", port, "127.0.0.1", 65535)
	ch, err := s.probe(ctx, "echo", "direct-tcpip", payload)
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
		return fmt.Errorf("%w: %w", ErrEchoUnavailable, err)
	}
	if err != nil {
		return err
	}
	defer ch.Close()
	answer := make(chan error, 1)
	s.run(func() { answer <- exchange(ch, nonce) })
	select {
	case err := <-answer:
		return err
	case <-s.done:
		return errSessionDown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exchange writes the nonce and reads it back. It ends with the channel.
func exchange(ch io.ReadWriter, nonce [nonceSize]byte) error {
	if _, err := ch.Write(nonce[:]); err != nil {
		return err
	}
	var got [nonceSize]byte
	if _, err := io.ReadFull(ch, got[:]); err != nil {
		return fmt.Errorf("the echo ended early: %w", err)
	}
	if subtle.ConstantTimeCompare(got[:], nonce[:]) != 1 {
		return errors.New("the echo came back changed")
	}
	return nil
}

// echoBackTime bounds a connection to the loop's listener: others at the server can reach it as well.
const echoBackTime = 10 * time.Second

// maxEchoCallers bounds those that have not brought a nonce yet: the server alone says how many there are.
const maxEchoCallers = 16

// echoBack answers a connection that came through the loop's listener, if it brings a nonce of ours.
func (s *Session) echoBack(_ context.Context, c arrival) {
	defer s.echo.callers.Add(-1)
	if s.echo.callers.Add(1) > maxEchoCallers {
		c.reject(ssh.ResourceShortage, "too many connections at once")
		return
	}
	c.place.probe = true
	ch, err := c.accept()
	if err != nil {
		return
	}
	defer ch.Close()
	limit := time.AfterFunc(echoBackTime, func() { ch.Close() })
	defer limit.Stop()
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(ch, nonce[:]); err != nil || !s.echo.expected(nonce) {
		return
	}
	ch.Write(nonce[:])
	ch.CloseWrite()
}
