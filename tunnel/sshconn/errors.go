package sshconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// ended returns the error of an attempt whose context is over: a transient *Error where the deadline passed, the context's
// own where the caller ended it. It is nil while the context lives.
func ended(ctx context.Context, phase fault.Phase, where, doing string) error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	var late *timeoutError
	if errors.As(cause, &late) {
		return &fault.Error{Phase: phase, Where: where, Err: fmt.Errorf("%s: %w", doing, cause)}
	}
	return cause
}

// resolveError returns the error of a name that has no address.
func resolveError(ctx context.Context, o *config.Options, err error) error {
	if over := ended(ctx, fault.PhaseDial, o.Peer(), "looking up "+o.HostName); over != nil {
		return over
	}
	e := &fault.Error{Phase: fault.PhaseDial, Where: o.Peer(), Err: fmt.Errorf("looking up %s: %w", o.HostName, err)}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		e.Err = fmt.Errorf("looking up %s: %w", o.HostName, &fault.PlainError{Text: foreign.Line(dns.Err).String(), Err: foreign.Error(err)})
		if dns.IsNotFound {
			e.Hint = unknownName(o)
			if _, err := netip.ParseAddr(o.HostName); err == nil {
				e.Hint = "AddressFamily, or -4 or -6, leaves this address out"
			}
		}
	}
	return e
}

func unknownName(o *config.Options) string {
	if !o.Matched && len(o.Unread) > 0 {
		return fmt.Sprintf("%q was taken for a host name, because %v; %s", o.Alias, o.Unread[0], o.Unread[0].Hint)
	}
	if !o.Matched {
		return fmt.Sprintf("no Host entry matches %q in ssh_config, so it was taken for a host name: check the spelling", o.Alias)
	}
	return fmt.Sprintf("check HostName of %q in ssh_config, and that this machine can look names up: getent hosts %s", o.Alias, o.HostName)
}

// connectError returns the error where no address took the connection.
func connectError(ctx context.Context, o *config.Options, addresses []netip.AddrPort, err error) error {
	if over := ended(ctx, fault.PhaseDial, o.Peer(), "connecting to "+joined(addresses)); over != nil {
		return over
	}
	e := &fault.Error{Phase: fault.PhaseDial, Where: o.Peer(), Err: &fault.PlainError{Text: eachAddress(err), Err: err}}
	var source *sourceError
	switch {
	case errors.As(err, &source):
		e.Hint = "see `ip address` for what this machine has"
	case errors.Is(err, errno.NoAddress) && o.BindAddress != "":
		e.Hint = fmt.Sprintf("no interface of this machine has the address %s of -b or BindAddress: `ip address` lists them", foreign.Own(o.BindAddress))
	case errors.Is(err, errno.Refused):
		e.Hint = fmt.Sprintf("nothing listens on port %d there: check Port, and that sshd runs", o.Port)
	}
	return e
}

// eachAddress returns what happyEyeballs has joined in one line.
func eachAddress(err error) string {
	all := []error{err}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		all = j.Unwrap()
	}
	var texts []string
	for _, err := range all {
		var op *net.OpError
		text := err.Error()
		if errors.As(err, &op) && op.Addr != nil {
			text = fmt.Sprintf("connecting to %v: %s", op.Addr, withoutCall(op.Err))
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// withoutCall returns the text of err without the name of the system call: "connection refused" is what a person reads.
func withoutCall(err error) string {
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err.Error()
	}
	return err.Error()
}

// lost returns the end of a wire in words for people; nil for nil.
func lost(cause error) error {
	if cause == io.EOF {
		return &fault.PlainError{Text: "the server closed the connection", Err: cause}
	}
	var call *os.SyscallError
	if errors.As(cause, &call) {
		return &fault.PlainError{Text: call.Err.Error(), Err: cause}
	}
	return cause
}

// ErrUnidentified is wrapped by the error of a connection that ended before the server had said that it speaks SSH.
var ErrUnidentified = errors.New("the server has not identified itself")

// unidentified adds ErrUnidentified to an error, whose text stays as it is.
type unidentified struct{ error }

func (e unidentified) Unwrap() []error { return []error{e.error, ErrUnidentified} }

// busyHint says what may be behind a connection that ends before anything was agreed upon.
const busyHint = "the server may be too busy or may refuse this address: see MaxStartups and PerSourcePenalties in sshd_config(5), and its log"

// sendsAway reports whether these are sshd's words under MaxStartups and PerSourcePenalties (sshd.c). They decide about a hint
// alone.
func sendsAway(words []byte) bool {
	return bytes.HasPrefix(words, []byte("Exceeded MaxStartups")) || bytes.HasPrefix(words, []byte("Not allowed at this time"))
}

// speaksSSH reports whether there is a version line, which other lines may precede (RFC 4253 §4.2).
func speaksSSH(words []byte) bool {
	return bytes.HasPrefix(words, []byte("SSH-")) || bytes.Contains(words, []byte("\nSSH-"))
}

// firstLine returns the first line of words, at most 60 bytes; %q does the rest.
func firstLine(words []byte) []byte {
	line, _, _ := bytes.Cut(words, []byte("\n"))
	return bytes.TrimRight(line[:min(len(line), 60)], "\r")
}

// noCommon returns the error of two sides that have no algorithm in common.
func noCommon(name string, e *ssh.AlgorithmNegotiationError) error {
	return &fault.Error{
		Phase:     fault.PhaseHandshake,
		Permanent: true,
		Where:     name,
		Err: &fault.PlainError{Text: fmt.Sprintf("no common %s: we offer %s; the server offers %s", e.What,
			realNames(e.SupportedAlgorithms), foreign.Line(realNames(e.RequestedAlgorithms))), Err: foreign.Error(e)},
		Hint: "allow one of the server's with " + keywordFor(e.What) + " +NAME, if it is one that tunneld has",
	}
}

// realNames joins a list without the flags that travel in it (RFC 8308 §2.1, PROTOCOL of OpenSSH §1.10).
func realNames(list []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(list), isKexFlag), ",")
}

func keywordFor(what string) string {
	switch {
	case strings.Contains(what, "key exchange"):
		return "KexAlgorithms"
	case strings.Contains(what, "host key"):
		return "HostKeyAlgorithms"
	case strings.Contains(what, "cipher"):
		return "Ciphers"
	}
	return "MACs"
}
