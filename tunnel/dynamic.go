package tunnel

import (
	"context"
	"io"
	"net"
	"strconv"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/proxy"
)

// proxied is a proxy client and the way to its target: a proxy.Route.
type proxied struct {
	*splice
	target io.Writer // takes what came right behind the request, before run
	bound  func(stream, proxy.Extent) stream
}

func (p proxied) Write(b []byte) (int, error) { return p.target.Write(b) }
func (p proxied) Abandon(ctx context.Context) { p.close(ctx) }

func (p proxied) Run(ctx context.Context, own proxy.Extent) {
	if own != nil {
		p.conn = p.bound(p.conn, own)
	}
	p.run(ctx)
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
	err := proxy.Serve(ctx, conn, conn.RemoteAddr(), func(ctx context.Context, target config.Endpoint) (proxy.Route, error) {
		ch, err := f.open(ctx, conn, number, target)
		if err != nil {
			return nil, unreachable(target, err)
		}
		s := &splice{conn, ch, &f.count, nil}
		return proxied{s, earlyWriter{s}, boundClient}, nil
	})
	if err != nil {
		f.noteRefused(conn, err)
	}
}

// acceptSOCKS serves a client at the server, for which a -R without a target is a proxy towards our side.
func (f *remoteForward) acceptSOCKS(ctx context.Context, c arrival) {
	ch, err := c.accept()
	if err != nil {
		return
	}
	defer ch.Close()
	nobody := &net.TCPAddr{IP: net.IPv4zero}
	err = proxy.Serve(ctx, ch, nobody, func(ctx context.Context, target config.Endpoint) (proxy.Route, error) {
		if !permitted(f.tunnel.options.Load().PermitRemoteOpen, target) {
			return nil, proxy.ErrNotAllowed
		}
		conn, err := f.dialLocal(ctx, target)
		if err != nil {
			return nil, foreign.Error(err) // the name is in it
		}
		return proxied{&splice{conn, ch, &f.count, nil}, conn, boundTarget}, nil
	})
	if err != nil {
		f.count.failed(err)
		f.log.Debug("proxy request failed", "err", err)
	}
}

// permitted applies PermitRemoteOpen (ssh_config(5)): nil allows all, an empty list nothing, "*" stands for any host or any port.
func permitted(rules []string, target config.Endpoint) bool {
	if rules == nil {
		return true
	}
	for _, rule := range rules {
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
