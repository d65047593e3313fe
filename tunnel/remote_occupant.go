package tunnel

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// Why the server does not listen for us. A refusal has no reason with it (RFC 4254 §7.1), so the port is dialled from
// inside, through the session that was refused.
var (
	errHeld         = errors.New("held by another connection")
	errHeldByUs     = errors.New("held by another connection of this tunnel, which is about to let go")
	errNotPermitted = errors.New("not permitted by the server, where nothing listens on it")
	errLeftover     = errors.New("refused by the server, where nobody listens on it: a socket left behind is in the way, which StreamLocalBindUnlink yes in its sshd_config removes, or it is not permitted")
	errPrivileged   = errors.New(PrivilegedPort)
	errDeniedOnly   = errors.New("refused by the server: held by another connection, or not permitted")
)

// PrivilegedPort is the ForwardStatus.LastError of a remote port that only root of the server can have.
const PrivilegedPort = "refused by the server: ports below 1024 need root there"

const (
	holderDialTime = 5 * time.Second        // for the connection from inside
	holderOursTime = 300 * time.Millisecond // for it to arrive here, where the holder is ours
	holderMinWait  = 250 * time.Millisecond // between two requests, even when the holder lets go at once
)

// occupant is who has the port that we want.
type occupant struct {
	why  error
	gone chan struct{} // closed when the connection that waits at the holder has ended; nil: there is none
	end  func()        // ends that connection; never nil
}

// probeOccupant dials the listener that f asked for from inside. The connection stays open as a watch: a stale session of
// ours accepts it and never answers, and when the server gives that session up, it ends.
func (f *remoteForward) probeOccupant(ctx context.Context, s *Session) occupant {
	listen := f.forward.Load().Listen
	arrivals := f.count.total.Load()
	ctx, cancel := context.WithTimeout(ctx, holderDialTime)
	defer cancel()
	kind, payload := openPayload(insideTarget(listen), nil)
	ch, err := s.probe(ctx, "holder of "+listenText(listen), kind, payload)
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused) && refused.Reason == ssh.ConnectionFailed && listen.IsUnix():
		return occupant{why: errLeftover, end: func() {}}
	case errors.As(err, &refused) && refused.Reason == ssh.ConnectionFailed:
		return occupant{why: errNotPermitted, end: func() {}}
	case err != nil:
		return occupant{why: errDeniedOnly, end: func() {}}
	}
	h := occupant{why: errHeld, gone: make(chan struct{}), end: func() { ch.Close() }}
	s.run(func() {
		defer close(h.gone)
		io.Copy(io.Discard, io.LimitReader(ch, 1<<20)) // what a stranger says is nothing to us
		ch.Close()
	})
	if s.sleep(ctx, holderOursTime) && f.count.total.Load() > arrivals {
		h.why = errHeldByUs
	}
	return h
}

// insideTarget returns where a listener of ours is found from the server itself.
func insideTarget(listen config.Endpoint) config.Endpoint {
	if listen.IsUnix() {
		return listen
	}
	if host := rfwdHost(listen); host != "" && host != "0.0.0.0" && host != "::" {
		return config.Endpoint{Host: host, Port: listen.Port}
	}
	return config.Endpoint{Host: "localhost", Port: listen.Port}
}

// privileged reports whether only root of the server can have the port, unless its administrator has changed that.
func privileged(user string, listen config.Endpoint) bool {
	return user != "root" && !listen.IsUnix() && listen.Port > 0 && listen.Port < 1024
}

// await waits for d, or until the holder let go. It is false when the session is left or ctx is done before.
func (h *occupant) await(ctx context.Context, s *Session, d time.Duration) bool {
	if !s.sleep(ctx, holderMinWait) {
		return false
	}
	timer := time.NewTimer(d - holderMinWait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.gone:
		h.gone = nil // one that hangs up on everybody says nothing by it
	case <-s.leaving:
		return false
	case <-ctx.Done():
		return false
	}
	return true
}
