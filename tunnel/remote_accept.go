package tunnel

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/names"
)

// localDialTime bounds the dial of a remote forward's target on our side.
const localDialTime = 30 * time.Second

// accept serves a connection that arrived at the server: first the target on our side is dialled, only then is the
// channel accepted, so that the server's client learns whether there is anybody.
func (f *remoteForward) accept(ctx context.Context, c arrival) {
	if !f.admit() {
		f.limited.noteRefused(f.log, errManyInbound)
		f.count.failed(errManyInbound)
		c.reject(ssh.ResourceShortage, "too many connections")
		return
	}
	defer f.discharge()
	f.count.total.Add(1)
	f.count.open.Add(1)
	defer f.count.open.Add(-1)
	if f.forward.Load().IsSOCKS() {
		f.acceptSOCKS(ctx, c)
		return
	}
	conn, err := f.dialLocal(ctx, f.forward.Load().Target)
	if err != nil {
		wrong := &UnreachableError{Target: f.forward.Load().Target, Here: true, Err: err}
		f.count.failed(wrong)
		f.unreachable.tell(f.log, wrong)
		f.log.Debug("connection refused", "target", endpointText(f.forward.Load().Target), "err", err)
		c.reject(ssh.ConnectionFailed, refusalText(err))
		return
	}
	ch, err := c.accept()
	if err != nil {
		reset(conn)
		return
	}
	f.log.Debug("connection opened", "target", endpointText(f.forward.Load().Target))
	f.carrying(ch, true)
	defer f.carrying(ch, false)
	(&splice{conn, ch, &f.count, nil}).run(ctx)
}

// admit takes a connection's part of the process's limits. It is false where nothing is left.
func (f *remoteForward) admit() bool {
	if !f.inbound.Take() {
		return false
	}
	if f.share.Take() {
		return true
	}
	f.inbound.Release()
	return false
}

func (f *remoteForward) discharge() {
	f.share.Release()
	f.inbound.Release()
}

func (f *remoteForward) carrying(ch *channel, begins bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if begins {
		f.open[ch] = true
	} else {
		delete(f.open, ch)
	}
}

// closeUnused closes the connections that have not carried a byte. Another process that wants the port watches it through
// such a connection, and learns in this way that it is free.
func (f *remoteForward) closeUnused() {
	f.mu.Lock()
	open := slices.Collect(maps.Keys(f.open))
	f.mu.Unlock()
	for _, ch := range open {
		if !ch.used.Load() {
			ch.Close()
		}
	}
}

// dialLocal connects to a target on our side, in the address family that ssh would use.
func (f *remoteForward) dialLocal(ctx context.Context, target config.Endpoint) (stream, error) {
	dialer := net.Dialer{Timeout: localDialTime}
	network, address := f.tunnel.options.Load().AddressFamily.Network("tcp"), endpointText(target)
	if target.IsUnix() {
		network = "unix"
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if names.IsUnknown(err) {
		for _, ip := range names.Others(ctx, f.tunnel.options.Load().AddressFamily.Network("ip"), target.Host) {
			if conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(ip.String(), strconv.Itoa(target.Port))); err == nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return quick(conn.(stream)), nil
}

// refusalText returns what the server is told: the cause, without our addresses.
func refusalText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
