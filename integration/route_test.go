package integration

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// route is a forward, and how a client uses it to reach its target.
type route struct {
	name    string
	flags   []string // of ssh(1)
	network string   // tcp or unix
	address string   // where clients connect
	agree   agreement
}

// routes gives a route of each kind to target, on ports of their own.
func routes(t testing.TB, target string) []route {
	return []route{localRoute(t, target), remoteRoute(t, target), dynamicRoute(t, target)}
}

func localRoute(t testing.TB, target string) route {
	address := loopback(freePort(t))
	return route{"L", []string{"-L", address + ":" + target}, "tcp", address, nothing}
}

func remoteRoute(t testing.TB, target string) route {
	address := loopback(freePort(t))
	return route{"R", []string{"-R", address + ":" + target}, "tcp", address, nothing}
}

func dynamicRoute(t testing.TB, target string) route {
	address := loopback(freePort(t))
	return route{"D", []string{"-D", address}, "tcp", address, socks5(target)}
}

// dial connects to the listener and agrees on the target; it gives up when nothing has come of it for long.
func (r route) dial() (net.Conn, error) {
	conn, err := net.DialTimeout(r.network, r.address, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * patience))
	if err := r.agree(conn); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return conn, nil
}

// towards gives the same listener, asked for another target by a proxy's client.
func (r route) towards(agree agreement) route {
	r.agree = agree
	return r
}

// connect opens a connection through r.
func (r route) connect(t testing.TB) net.Conn {
	t.Helper()
	conn, err := r.dial()
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// works opens a connection through r to an echo server and uses it.
func (r route) works(limit time.Duration) error {
	conn, err := r.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return exchange(conn, "hello through "+r.name, limit)
}

// readToEnd reads until the connection ends and gives what ended it: nil for a clean end.
func readToEnd(c net.Conn, limit time.Duration) error {
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

// wasReset tells whether err is the peer's RST.
func wasReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
