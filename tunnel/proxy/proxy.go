// Package proxy speaks with the clients of a dynamic forward until it knows where they want to go: SOCKS5 by go-socks5, and
// SOCKS4, SOCKS4a and HTTP (CONNECT, and http:// addresses) beside it on the same port. It reaches the tunnel through Dial and
// Route alone.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// handshakeTime bounds a client's handshake, from its connect until its request is complete: one that sends nothing, or a
// byte a second, costs no more than this.
const handshakeTime = 15 * time.Second

// What an error of Dial may say besides what the network and the server said.
var (
	ErrUnavailable = errors.New("the tunnel is down")                          // it may be back soon
	ErrNotAllowed  = errors.New("PermitRemoteOpen does not allow this target") // ssh_config(5)
)

// Route is an open way to the target of a request. One of Run and Abandon is called.
type Route interface {
	// Write sends bytes that came right behind the request.
	io.Writer

	// Run joins the client and the target until both directions have ended, or ctx is done, and closes both. What the
	// client sends behind its own, unless that is nil, goes nowhere, and ends that direction.
	Run(ctx context.Context, own Extent)

	// Abandon closes both, without waiting for more than ctx.
	Abandon(ctx context.Context)
}

// Dial opens a way to target. The client is told of an error by the code that its protocol has for it.
type Dial func(ctx context.Context, target config.Endpoint) (Route, error)

// client is a client that has yet to say where it wants to go.
type client struct {
	io.ReadWriteCloser             // the connection or channel itself
	addr               net.Addr    // of the client
	limit              *time.Timer // closes the client when the handshake takes too long
	dial               Dial
}

// Serve reads a request of conn, a client at addr, in any of the three protocols, told apart by its first byte; dials,
// answers, and carries the bytes until both directions have ended. The caller closes conn. An error is one that the client
// was told of, or a request that made no sense.
func Serve(ctx context.Context, conn io.ReadWriteCloser, addr net.Addr, dial Dial) error {
	c := &client{ReadWriteCloser: conn, addr: addr, dial: dial}
	c.limit = time.AfterFunc(handshakeTime, func() { c.Close() })
	defer c.limit.Stop()
	var first [1]byte
	if _, err := io.ReadFull(c, first[:]); err != nil {
		return fmt.Errorf("no proxy request: %w", err)
	}
	switch b := first[0]; {
	case b == 5:
		return serveSOCKS5(ctx, c, b)
	case b == 4:
		return serveSOCKS4(ctx, c)
	case b >= 'A' && b <= 'Z':
		return serveHTTP(ctx, c, b)
	default:
		return fmt.Errorf("not a proxy request: first byte %#02x is neither SOCKS5, SOCKS4 nor HTTP", b)
	}
}

// open dials host:port as the client asked. The handshake is over then; how long the target takes is not the client's fault.
func (c *client) open(ctx context.Context, host string, port int) (Route, error) {
	c.limit.Stop()
	if host == "" || port == 0 {
		return nil, fmt.Errorf("no host or no port in the request: %q", foreign.Line(net.JoinHostPort(host, strconv.Itoa(port))))
	}
	return c.dial(ctx, config.Endpoint{Host: host, HostSet: true, Port: port})
}

// carry sends early bytes to the target and joins both ends until they have ended, or ctx is done.
func carry(ctx context.Context, r Route, early []byte, own Extent) error {
	if len(early) > 0 {
		if _, err := r.Write(early); err != nil {
			r.Abandon(ctx)
			return err
		}
	}
	r.Run(ctx, own)
	return nil
}
