//go:build unix

package tunnel

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// inherited returns a socket as a service manager opens it.
func inherited(t *testing.T, network, address string, only int) net.Listener {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if network == "tcp6" {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only)
			}
		})
	}}
	if network == "tcp6" && only == 0 {
		network = "tcp"
	}
	l, err := lc.Listen(t.Context(), network, address)
	if err != nil {
		t.Skip(err)
	}
	return l
}

func TestSocketOfTheServiceManagerIsUsedAgain(t *testing.T) {
	p := newPeer(t)
	l := inherited(t, "tcp4", "127.0.0.1:0", 0)
	port := l.Addr().(*net.TCPAddr).Port
	far := says(t, "far")
	sockets := NewSockets([]net.Listener{l})
	tun := New(&config.Options{Hold: time.Second, Forwards: []config.Forward{localOn("127.0.0.1", port, far)}}, nil, quiet())
	if err := tun.Listen(t.Context(), sockets); err != nil {
		t.Fatal(err)
	}
	tun.Join(p.session(config.Echo{}))
	if unused := sockets.Unused(t.Context(), quiet()); len(unused) > 0 {
		t.Errorf("not used: %v", unused)
	}
	for range 3 {
		if err := reload(t, tun, config.Options{}, localTo(far)); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client that nobody serves saw %v, want a reset", err)
		}
		if err := reload(t, tun, config.Options{}, localOn("127.0.0.1", port, far)); err != nil {
			t.Fatal(err)
		}
		if got := heardAt(t, l.Addr().String()); got != "far" {
			t.Errorf("the socket leads to %q", got)
		}
	}
	sockets.Close()
	tun.Shutdown(context.Background())
	if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
		conn.Close()
		t.Error("the socket is open after the end")
	}
}

func TestSocketOfBothFamiliesServesEveryInterface(t *testing.T) {
	p := newPeer(t)
	far := says(t, "far")
	for _, family := range []config.AddressFamily{config.AnyFamily, config.IPv4} {
		l := inherited(t, "tcp6", "[::]:0", 0)
		port := l.Addr().(*net.TCPAddr).Port
		sockets := NewSockets([]net.Listener{l})
		o := &config.Options{Hold: time.Second, AddressFamily: family, Forwards: []config.Forward{localOn("*", port, far)}}
		tun := New(o, nil, quiet())
		if err := tun.Listen(t.Context(), sockets); err != nil {
			t.Fatal(err)
		}
		tun.Join(p.session(config.Echo{}))
		for _, host := range []string{"127.0.0.1", "::1"} {
			if got := heardAt(t, net.JoinHostPort(host, strconv.Itoa(port))); got != "far" {
				t.Errorf("%s leads to %q", host, got)
			}
		}
		if bound := tun.Forwards()[0].Bound; len(bound) != 1 {
			t.Errorf("bound to %v, want the one socket", bound)
		}
		sockets.Close()
		tun.Shutdown(context.Background())
	}
}
