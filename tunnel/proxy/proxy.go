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

// firstRead is how much is read of a client at once to begin with: most requests are not longer.
const firstRead = 512

// client is a client that has yet to say where it wants to go.
type client struct {
	io.ReadWriteCloser             // the connection or channel itself
	said               []byte      // what was read of it and not yet handed out
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
	first, err := c.begin()
	switch {
	case err != nil:
		return fmt.Errorf("no proxy request: %w", err)
	case first == 5:
		return serveSOCKS5(ctx, c)
	case first == 4:
		return serveSOCKS4(ctx, c)
	case first >= 'A' && first <= 'Z':
		return serveHTTP(ctx, c)
	default:
		return fmt.Errorf("not a proxy request: first byte %#02x is neither SOCKS5, SOCKS4 nor HTTP", first)
	}
}

// begin reads what the client says first, and returns the first byte of it, which Read hands out all the same.
func (c *client) begin() (byte, error) {
	said := make([]byte, firstRead)
	for {
		n, err := c.ReadWriteCloser.Read(said)
		if n > 0 { // an error that came with bytes comes again
			c.said = said[:n]
			return said[0], nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// Read hands out what was read at the beginning, and then what the client says next.
func (c *client) Read(b []byte) (int, error) {
	if len(c.said) == 0 {
		return c.ReadWriteCloser.Read(b)
	}
	n := copy(b, c.said)
	if c.said = c.said[n:]; len(c.said) == 0 {
		c.said = nil // this lives as long as the connection
	}
	return n, nil
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
