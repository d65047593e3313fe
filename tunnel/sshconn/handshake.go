package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hostkey"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// handshake is one run of ssh.NewClientConn. Its methods follow each other, called by the SSH library or after it.
type handshake struct {
	*attempt
	auth    *auth.Attempt
	offered []string  // key exchanges
	begun   time.Time // of the step that runs now
	trusted bool      // the host key was good, so that authentication runs
	refused error     // what the check of the host key said; nil: nothing against it, or not checked
	library any       // the connection that the library is making; nil until authentication
}

// follow keeps hold of the library's connection, in case the handshake fails.
func (h *handshake) follow(client *ssh.ClientConfig) {
	next := client.AuthCallback
	client.AuthCallback = func(ctx *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
		h.library = ctx.Metadata
		return next(ctx)
	}
}

// hostKey is the end of the key exchange and the beginning of authentication.
func (h *handshake) hostKey(ctx context.Context, known *hostkey.Keys, key ssh.PublicKey) error {
	if h.trusted { // a later key exchange of a connection that others use already
		h.link.keys.renewed(h.link.Wire)
		return known.Check(ctx, nil, key)
	}
	h.link.keys.renewed(h.link.Wire)
	kex := viewKex(serverKex(h.link.Wire.firstWords()), h.offered)
	h.step("key exchange", kex.text(), nil)
	h.warnWeak(kex)
	fingerprint := ssh.FingerprintSHA256(sshkey.Plain(key))
	h.log.Debug("keys exchanged", "host_key", key.Type(), "fingerprint", fingerprint)
	h.link.Info.Fingerprint = fingerprint
	var remote net.Addr
	if h.link.Info.Address != "" {
		remote = h.link.Wire.RemoteAddr()
	}
	h.refused = known.Check(ctx, remote, key)
	detail := key.Type() + " " + fingerprint
	if known.ByDNS() {
		detail += ", as the DNS says"
	}
	h.step("host key", detail, h.refused)
	h.trusted = h.refused == nil
	return h.refused
}

// end turns the library's error into ours, and reports the step that it ended.
func (h *handshake) end(ctx context.Context, err error) error {
	if h.refused != nil { // already reported; kept aside because the library wraps it
		if over := ended(ctx, fault.PhaseHostKey, h.link.Info.name(), "checking the host key"); over != nil {
			return over
		}
		return h.refused
	}
	if err != nil && h.library != nil {
		go discardPackets(h.library) // the reader may wait for one to take what came after the end; ends with the wire
	}
	err = h.explain(ctx, err)
	if h.trusted {
		h.step("authentication", h.auth.Detail(), err)
	} else {
		h.step("key exchange", "", err)
	}
	return err
}

func (h *handshake) step(name, detail string, err error) {
	h.trace(name, h.begun, detail, err)
	h.begun = time.Now()
}

// explain turns what ssh.NewClientConn returned into an *Error; nil for nil.
func (h *handshake) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	phase, name := fault.PhaseHandshake, h.link.Info.name()
	if h.trusted {
		phase = fault.PhaseAuth
	}
	if over := ended(ctx, phase, name, h.doing()); over != nil {
		return h.orNotSSH(over)
	}
	cause := h.link.Wire.err()
	broken := cause != nil && cause != net.ErrClosed && (errors.Is(err, cause) || errors.Is(err, auth.ErrConnectionLost))
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		err = inner // the words say less than ours
	}
	err = foreign.Error(err)
	var none *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &none):
		return noCommon(name, none)
	case h.trusted && broken:
		h.auth.Dropped = true
		return h.auth.Failure(lost(cause))
	case h.trusted:
		return h.auth.Failure(err)
	case broken:
		return h.orNotSSH(h.brokenOff(cause))
	}
	return h.orNotSSH(&fault.Error{Phase: phase, Where: name, Err: fmt.Errorf("key exchange: %w", err)})
}

// brokenOff returns the error of a connection that ended before the host key was known.
func (h *handshake) brokenOff(cause error) error {
	e := &fault.Error{Phase: fault.PhaseHandshake, Where: h.link.Info.name(), Err: fmt.Errorf("key exchange: %w", lost(cause))}
	var proxy *proxyError
	switch {
	case errors.As(cause, &proxy):
		e.Phase, e.Err = fault.PhaseDial, cause
	case h.link.proxy == nil && (cause == io.EOF || errors.Is(cause, errno.Reset) || errors.Is(cause, errno.Broken)):
		e.Hint = busyHint
	}
	return e
}

// doing returns the name of what runs.
func (h *handshake) doing() string {
	if h.trusted {
		return "authentication"
	}
	return "key exchange"
}

// orNotSSH returns err, or an error that shows the server's first words where these are not SSH's. It wraps ErrUnidentified where the
// server has not said that it speaks SSH.
func (h *handshake) orNotSSH(err error) error {
	words := h.link.Wire.firstWords()
	if h.trusted || speaksSSH(words) {
		return err
	}
	err = unidentified{err}
	if len(words) == 0 {
		return err
	}
	e := &fault.Error{
		Phase: fault.PhaseHandshake,
		Where: h.link.Info.name(),
		Err:   &fault.PlainError{Text: fmt.Sprintf("not an SSH server: it said %q", firstLine(words)), Err: err},
		Hint:  "check HostName and Port: another service answers there",
	}
	if sendsAway(words) {
		e.Err = &fault.PlainError{Text: fmt.Sprintf("the server takes no connection now: it said %q", firstLine(words)), Err: err}
		e.Hint = busyHint
	}
	return e
}
