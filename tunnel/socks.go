package tunnel

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

// proxyTime bounds a proxy client's handshake, from its connect until its request is complete: one that sends nothing, or
// a byte a second, costs no more than this.
const proxyTime = 15 * time.Second

// route is where a proxy request leads. Bytes that came right behind the request are written to target before splice
// joins both ends.
type route struct {
	target io.Writer
	splice *splice
}

// connectFunc reaches the target of a proxy request.
type connectFunc func(ctx context.Context, target config.Endpoint) (*route, error)

// proxyClient is a client of -D, or of -R without a target, while it says where it wants to go.
type proxyClient struct {
	io.ReadWriteCloser             // the connection or channel itself
	addr               net.Addr    // of the client
	limit              *time.Timer // closes the client when the handshake takes too long
	connect            connectFunc
}

// serveProxy reads a request in any of the three protocols, told apart by its first byte, connects, answers, and carries
// the bytes until both directions have ended. The caller closes the client. An error is one that the client was told of,
// or a request that made no sense.
func serveProxy(ctx context.Context, c *proxyClient) error {
	c.limit = time.AfterFunc(proxyTime, func() { c.Close() })
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
		return serveHTTPConnect(ctx, c, b)
	default:
		return fmt.Errorf("not a proxy request: first byte %#02x is neither SOCKS5, SOCKS4 nor HTTP", b)
	}
}

// open connects to host:port as the client asked. The handshake is over then; how long the target takes is not the
// client's fault.
func (c *proxyClient) open(ctx context.Context, host string, port int) (*route, error) {
	c.limit.Stop()
	if host == "" || port == 0 {
		return nil, fmt.Errorf("no host or no port in the request: %q", foreign.Line(net.JoinHostPort(host, strconv.Itoa(port))))
	}
	return c.connect(ctx, config.Endpoint{Host: host, HostSet: true, Port: port})
}

// carry sends early bytes to the target and joins both ends until they have ended, or ctx is done.
func (r *route) carry(ctx context.Context, early []byte) error {
	if len(early) > 0 {
		if _, err := r.target.Write(early); err != nil {
			r.splice.close()
			return err
		}
	}
	r.splice.run(ctx)
	return nil
}

// earlyWriter keeps bytes for the channel until the splice runs, which does not wait for the library.
type earlyWriter struct{ splice *splice }

func (w earlyWriter) Write(p []byte) (int, error) {
	w.splice.early = append(w.splice.early, p...)
	return len(p), nil
}

// serveDynamic serves a client of -D.
func (f *localForward) serveDynamic(ctx context.Context, conn stream, number uint64) {
	defer conn.Close()
	err := serveProxy(ctx, &proxyClient{
		ReadWriteCloser: conn,
		addr:            conn.RemoteAddr(),
		connect: func(ctx context.Context, target config.Endpoint) (*route, error) {
			ch, err := f.open(ctx, conn, number, target)
			if err != nil {
				return nil, err
			}
			s := &splice{conn, ch, &f.count, nil}
			return &route{earlyWriter{s}, s}, nil
		},
	})
	if err != nil {
		f.refused(conn, err)
	}
}

// acceptSOCKS serves a client at the server that uses -R without a target as a proxy towards our side.
func (f *remoteForward) acceptSOCKS(ctx context.Context, c arrival) {
	ch, err := c.accept()
	if err != nil {
		return
	}
	defer ch.Close()
	err = serveProxy(ctx, &proxyClient{
		ReadWriteCloser: ch,
		addr:            &net.TCPAddr{IP: net.IPv4zero},
		connect: func(ctx context.Context, target config.Endpoint) (*route, error) {
			if !permitted(f.tunnel.options.Load().PermitRemoteOpen, target) {
				return nil, errNotOpen
			}
			conn, err := f.dialLocal(ctx, target)
			if err != nil {
				return nil, foreign.Error(err) // the name is in it
			}
			return &route{conn, &splice{conn, ch, &f.count, nil}}, nil
		},
	})
	if err != nil {
		f.count.failed(err)
		f.log.Debug("proxy request failed", "err", err)
	}
}

// errNotOpen refuses what PermitRemoteOpen does not name.
var errNotOpen = errors.New("PermitRemoteOpen does not allow this target")

// permitted applies PermitRemoteOpen (ssh_config(5)): nil allows all, "none" nothing, "*" stands for any host or any port.
func permitted(rules []string, target config.Endpoint) bool {
	if rules == nil {
		return true
	}
	for _, rule := range rules {
		if rule == "any" {
			return true
		}
		host, port, err := net.SplitHostPort(rule)
		if err != nil {
			continue
		}
		if (host == "*" || host == target.Host) && (port == "*" || port == strconv.Itoa(target.Port)) {
			return true
		}
	}
	return false
}
