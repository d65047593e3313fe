package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/armon/go-socks5"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
)

// The reply codes of RFC 1928 §6.
const (
	socks5Failure            = 1
	socks5NotAllowed         = 2
	socks5NetworkUnreachable = 3
	socks5HostUnreachable    = 4
	socks5Refused            = 5
	socks5TTLExpired         = 6
)

// serveSOCKS5 has go-socks5 speak RFC 1928 with the client. The library's part ends with its success reply and the bytes
// that came right behind the request: it would carry the rest in goroutines and buffers of its own, without half-closes
// and resets, so both ends of its copying report their end at once, and our splice begins. There is a server for each client, so
// that Dial knows whom it serves.
func serveSOCKS5(ctx context.Context, c *client) error {
	conn := &socks5Conn{client: c}
	server, err := socks5.New(&socks5.Config{
		Resolver: farResolver{},
		Logger:   log.New(io.Discard, "", 0),
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			return conn.dial(ctx, address)
		},
	})
	if err != nil {
		return err
	}
	err = server.ServeConn(conn)
	switch {
	case conn.failed != nil:
		return conn.failed
	case conn.route == nil && err == nil: // the library has refused BIND or UDP ASSOCIATE, and says so to the client alone
		return errors.New("SOCKS5 command is not supported")
	case conn.route == nil:
		return foreign.Error(err)
	case err != nil: // the client or the target left meanwhile
		conn.route.Abandon(ctx)
		return err
	}
	conn.route.Run(ctx, nil)
	return nil
}

// farResolver leaves names alone: they are resolved at the server's end.
type farResolver struct{}

func (farResolver) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// socks5Conn is the client as go-socks5 sees it. Only the handshake goes through Read and Write.
type socks5Conn struct {
	client *client
	code   byte  // reply code to send in place of the library's; 0: leave it
	failed error // why there is no route
	route  Route
}

func (c *socks5Conn) dial(ctx context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	c.route, c.failed = c.client.open(ctx, host, number)
	if c.failed != nil {
		c.code = replyCode(c.failed)
		return nil, c.failed
	}
	return socks5Target{conn: c}, nil
}

func (c *socks5Conn) Read(b []byte) (int, error) { return c.client.Read(b) }

// Write sends what the library says, with an honest code in a reply that reports a failure: the library guesses it from
// the error's text.
func (c *socks5Conn) Write(b []byte) (int, error) {
	if c.code != 0 && len(b) > 1 {
		b = append([]byte{b[0], c.code}, b[2:]...)
	}
	return c.client.Write(b)
}

// WriteTo is called when the bytes behind the request have been passed on, and has nothing more to copy.
func (c *socks5Conn) WriteTo(io.Writer) (int64, error) { return 0, nil }

// Close leaves the client to whoever accepted it.
func (c *socks5Conn) Close() error { return nil }

func (c *socks5Conn) LocalAddr() net.Addr              { return anyAddr() }
func (c *socks5Conn) RemoteAddr() net.Addr             { return c.client.addr }
func (c *socks5Conn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *socks5Conn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *socks5Conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// anyAddr is the address in the success reply: the server does not tell its own.
func anyAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero.To4()} }

// socks5Target is the target as go-socks5 sees it: it takes early bytes and returns none.
type socks5Target struct {
	net.Conn // nil: nothing else is called
	conn     *socks5Conn
}

func (t socks5Target) LocalAddr() net.Addr              { return anyAddr() }
func (t socks5Target) Write(b []byte) (int, error)      { return t.conn.route.Write(b) }
func (t socks5Target) WriteTo(io.Writer) (int64, error) { return 0, nil }
func (t socks5Target) Close() error                     { return nil }

// replyCode returns the code that says why there is no route. The description of a refused channel is all that a server tells of the cause
// (RFC 4254 §5.1); OpenSSH and Dropbear put the text of the system's error there.
func replyCode(err error) byte {
	var refused *ssh.OpenChannelError
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &refused):
		return refusedCode(refused)
	case errors.Is(err, ErrNotAllowed):
		return socks5NotAllowed
	case errors.Is(err, errno.Refused):
		return socks5Refused
	case errors.Is(err, errno.NoNetwork):
		return socks5NetworkUnreachable
	case errors.Is(err, errno.NoHost), errors.As(err, &dns):
		return socks5HostUnreachable
	case errors.As(err, &timeout) && timeout.Timeout():
		return socks5TTLExpired
	}
	return socks5Failure
}

func refusedCode(refused *ssh.OpenChannelError) byte {
	text := strings.ToLower(refused.Message)
	switch {
	case refused.Reason == ssh.Prohibited:
		return socks5NotAllowed
	case refused.Reason == ssh.ResourceShortage:
		return socks5Failure
	case strings.Contains(text, "refused"):
		return socks5Refused
	case strings.Contains(text, "network is unreachable"):
		return socks5NetworkUnreachable
	case strings.Contains(text, "timed out"):
		return socks5TTLExpired
	}
	return socks5HostUnreachable
}
