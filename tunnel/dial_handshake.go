package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// handshake is one run of ssh.NewClientConn. Its methods follow each other, called by the SSH library or after it.
type handshake struct {
	dialer  *Dialer
	options *config.Options
	link    *link
	auth    *authentication
	log     *slog.Logger
	begun   time.Time // of the step that runs now
	trusted bool      // the host key was good, so that authentication runs
	refused error     // what the check of the host key said; nil: nothing against it, or not checked
}

// hostKey is the end of the key exchange and the beginning of authentication.
func (h *handshake) hostKey(ctx context.Context, known *hostKeys, key ssh.PublicKey) error {
	if h.trusted { // a later key exchange of a connection that others use already
		h.link.keys.renewed(h.link.wire)
		return known.check(ctx, nil, key)
	}
	h.link.keys.renewed(h.link.wire)
	h.step("key exchange", "", nil)
	fingerprint := ssh.FingerprintSHA256(plainKey(key))
	h.log.Debug("keys exchanged", "host_key", key.Type(), "fingerprint", fingerprint)
	h.link.info.Fingerprint = fingerprint
	var remote net.Addr
	if h.link.info.Address != "" {
		remote = h.link.wire.RemoteAddr()
	}
	h.refused = known.check(ctx, remote, key)
	h.step("host key", key.Type()+" "+fingerprint, h.refused)
	h.trusted = h.refused == nil
	return h.refused
}

// end turns the library's error into ours, and reports the step that it ended.
func (h *handshake) end(ctx context.Context, err error) error {
	if h.refused != nil { // already reported; kept aside because the library wraps it
		if over := ended(ctx, PhaseHostKey, h.link.info.name(), "checking the host key"); over != nil {
			return over
		}
		return h.refused
	}
	err = h.explain(ctx, err)
	if h.trusted {
		h.step("authentication", h.auth.detail(), err)
	} else {
		h.step("key exchange", "", err)
	}
	return err
}

func (h *handshake) step(name, detail string, err error) {
	h.dialer.trace(name, h.link.info.name(), h.begun, detail, err)
	h.begun = time.Now()
}

// explain turns what ssh.NewClientConn returned into an *Error; nil for nil.
func (h *handshake) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	phase, name := PhaseHandshake, h.link.info.name()
	if h.trusted {
		phase = PhaseAuth
	}
	if over := ended(ctx, phase, name, h.doing()); over != nil {
		return h.orNotSSH(over)
	}
	cause := h.link.wire.err()
	broken := cause != nil && cause != net.ErrClosed && (errors.Is(err, cause) || errors.Is(err, errConnectionLost))
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		err = inner // the words say less than ours
	}
	err = foreign.Error(err)
	var none *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &none):
		return noCommon(name, none)
	case h.trusted && broken:
		h.auth.dropped = true
		return h.auth.failure(lost(cause))
	case h.trusted:
		return h.auth.failure(err)
	case broken:
		return h.orNotSSH(h.brokenOff(cause))
	}
	return h.orNotSSH(&Error{Phase: phase, Where: name, Err: fmt.Errorf("key exchange: %w", err)})
}

// brokenOff says that the connection ended before the host key was known.
func (h *handshake) brokenOff(cause error) error {
	e := &Error{Phase: PhaseHandshake, Where: h.link.info.name(), Err: fmt.Errorf("key exchange: %w", lost(cause))}
	var proxy *proxyError
	switch {
	case errors.As(cause, &proxy):
		e.Phase, e.Err = PhaseDial, cause
	case h.link.proxy == nil && (cause == io.EOF || errors.Is(cause, syscall.ECONNRESET) || errors.Is(cause, syscall.EPIPE)):
		e.Hint = busyHint
	}
	return e
}

// doing names what runs.
func (h *handshake) doing() string {
	if h.trusted {
		return "authentication"
	}
	return "key exchange"
}

// orNotSSH gives err, or where the server's first words are not SSH's, an error that shows them.
func (h *handshake) orNotSSH(err error) error {
	words := h.link.wire.firstWords()
	if h.trusted || len(words) == 0 || speaksSSH(words) {
		return err
	}
	e := &Error{
		Phase: PhaseHandshake,
		Where: h.link.info.name(),
		Err:   &plainError{fmt.Sprintf("not an SSH server: it said %q", firstLine(words)), err},
		Hint:  "check HostName and Port: another service answers there",
	}
	if sendsAway(words) {
		e.Err = &plainError{fmt.Sprintf("the server takes no connection now: it said %q", firstLine(words)), err}
		e.Hint = busyHint
	}
	return e
}
