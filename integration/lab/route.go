package lab

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// Route is a forward, and how a client uses it to reach its target.
type Route struct {
	Name    string
	Flags   []string // of ssh(1)
	Network string   // tcp or unix
	Address string   // where clients connect
	Agree   Agreement
}

// Routes returns a route of each kind to target, on ports of their own.
func Routes(t testing.TB, target string) []Route {
	return []Route{LocalRoute(t, target), RemoteRoute(t, target), DynamicRoute(t, target)}
}

func LocalRoute(t testing.TB, target string) Route {
	address := Loopback(FreePort(t))
	return Route{"L", []string{"-L", address + ":" + target}, "tcp", address, Nothing}
}

func RemoteRoute(t testing.TB, target string) Route {
	address := Loopback(FreePort(t))
	return Route{"R", []string{"-R", address + ":" + target}, "tcp", address, Nothing}
}

func DynamicRoute(t testing.TB, target string) Route {
	address := Loopback(FreePort(t))
	return Route{"D", []string{"-D", address}, "tcp", address, Socks5(target)}
}

// Dial connects to the listener and agrees on the target; it gives up when nothing has come of it for long.
func (r Route) Dial() (net.Conn, error) {
	conn, err := net.DialTimeout(r.Network, r.Address, Patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * Patience))
	if err := r.Agree(conn); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return conn, nil
}

// Towards returns the same listener, asked for another target by a proxy's client.
func (r Route) Towards(agree Agreement) Route {
	r.Agree = agree
	return r
}

// Connect opens a connection through r.
func (r Route) Connect(t testing.TB) net.Conn {
	t.Helper()
	conn, err := r.Dial()
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Works opens a connection through r to an echo server and uses it.
func (r Route) Works(limit time.Duration) error {
	conn, err := r.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return Exchange(conn, "hello through "+r.Name, limit)
}

// ReadToEnd reads until the connection ends and returns what ended it: nil for a clean end.
func ReadToEnd(c net.Conn, limit time.Duration) error {
	c.SetReadDeadline(time.Now().Add(limit))
	buffer := make([]byte, 32<<10)
	for {
		if _, err := c.Read(buffer); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// WasReset reports whether err is the peer's RST.
func WasReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
