package tunnel

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// peer is an SSH server inside the test, which can be told to misbehave. integration has the real ones.
type peer struct {
	*sshtest.Server
	t testing.TB
}

func newPeer(t testing.TB) *peer {
	t.Helper()
	s, err := sshtest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop()
		s.Wait()
	})
	return &peer{s, t}
}

// session connects to the peer without the dialer.
func (p *peer) session(echo config.Echo) *Session {
	p.t.Helper()
	s, err := p.trySession(echo)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (p *peer) trySession(echo config.Echo) (*Session, error) {
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		return nil, err
	}
	w := sshconn.NewWire(conn)
	sc, chans, reqs, err := ssh.NewClientConn(w, "peer:22", &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		w.Close()
		return nil, err
	}
	l := &sshconn.Conn{Conn: sc, Chans: chans, Reqs: reqs, Wire: w, Info: sshconn.Server{Host: "peer"}}
	l.Guard()
	return newSession(p.t.Context(), l, echo, quiet()), nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// idlePipe is a connection on which nothing happens.
func idlePipe(t testing.TB) net.Conn {
	near, far := net.Pipe()
	t.Cleanup(func() {
		near.Close()
		far.Close()
	})
	return near
}

// target is a TCP server on loopback that hands each connection to serve.
func target(t testing.TB, serve func(*net.TCPConn)) config.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			}()
		}
	}()
	return config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: l.Addr().(*net.TCPAddr).Port}
}

func echoBytes(conn *net.TCPConn) { io.Copy(conn, conn) }

// anyPort is a local listener whose port the kernel chooses.
func anyPort() config.Endpoint { return config.Endpoint{Host: "127.0.0.1", HostSet: true} }

// newTestTunnel listens for forwards; it is shut down with the test.
func newTestTunnel(t testing.TB, o *config.Options) *Tunnel {
	t.Helper()
	tun := New(o, nil, quiet())
	if err := tun.Listen(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		tun.Shutdown(ctx)
	})
	return tun
}

func (t *Tunnel) boundAt(n int) string { return t.Forwards()[n].Bound[0] }

// busy returns the number of open local and forwarded connections, held ones included.
func (t *Tunnel) busy() int {
	locals, _ := t.forwards()
	n := 0
	for _, f := range locals {
		n += f.conns.gauge.count()
	}
	for _, s := range t.pool.sessions() {
		n += s.Open()
	}
	return n
}
