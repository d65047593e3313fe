package autossh

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// Reached knows the address that the last attempt has reached: ssh names a server by it once it is connected. The zero value has
// none. Its methods may be called from any goroutine.
type Reached struct {
	mu      sync.Mutex // guards all following fields
	host    string     // user@host:port of the server
	address netip.AddrPort
}

// Note is for [sshconn.Dialer].
func (r *Reached) Note(s sshconn.Step) {
	if s.Name != "tcp" || s.Err != nil {
		return
	}
	if a, err := netip.ParseAddrPort(s.Detail); err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.host, r.address = s.Host, a
	}
}

// by names the server of o as ssh does in what it says of the connection.
func (r *Reached) by(o *config.Options) string {
	if o.Via != nil || o.ProxyCommand != "" {
		return unknownPeer
	}
	name := fmt.Sprintf("%s port %d", o.HostName, o.Port)
	if r == nil {
		return name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.host == o.Peer() {
		name = fmt.Sprintf("%s port %d", r.address.Addr(), r.address.Port())
	}
	return name
}

// unknownPeer is ssh's name for a server that another program has reached for it.
const unknownPeer = "UNKNOWN port 65535"

// throughProxy is what ssh says where that program ends before the server has said anything.
var throughProxy = []string{identification + "Connection closed by remote host", "Connection closed by " + unknownPeer}

// identification begins what ssh says of a connection that ends before the server has identified itself.
const identification = "kex_exchange_identification: "

// handshakeWords are ssh's for a connection that ends before the server's key is known.
func handshakeWords(err error, peer string) []string {
	var none *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(err, &none):
		offer := foreign.Line(strings.Join(none.RequestedAlgorithms, ","))
		return []string{fmt.Sprintf("Unable to negotiate with %s: no matching %s found. Their offer: %s", peer, kindOf(none.What), offer)}
	case fault.IsPermanent(err):
		return nil
	case !errors.Is(err, sshconn.ErrUnidentified):
		return endWords(err, peer)
	case IsTimeout(err):
		return append([]string{"Connection timed out during banner exchange"}, endWords(err, peer)...)
	case errors.Is(err, errno.Reset), errors.Is(err, errno.Broken):
		return append([]string{identification + "read: Connection reset by peer"}, endWords(err, peer)...)
	}
	return append([]string{identification + "Connection closed by remote host"}, endWords(err, peer)...)
}

// kindOf names what there is none in common of, as ssh does (ssherr.c); what is the library's name of it.
func kindOf(what string) string {
	switch {
	case strings.HasSuffix(what, "cipher"):
		return "cipher"
	case strings.HasSuffix(what, "MAC"):
		return "MAC"
	case strings.HasSuffix(what, "compression"):
		return "compression method"
	case what == "host key":
		return "host key type"
	}
	return what + " method"
}

// endWords are ssh's for a connection that ends before there is a session.
func endWords(err error, peer string) []string {
	switch bye := auth.Disconnected(err); {
	case bye != nil:
		return byeWords(bye, peer)
	case IsTimeout(err):
		return []string{"Connection to " + peer + " timed out"}
	case errors.Is(err, errno.Reset), errors.Is(err, errno.Broken):
		return []string{"Connection reset by " + peer}
	}
	return []string{"Connection closed by " + peer}
}

func byeWords(bye *auth.DisconnectError, peer string) []string {
	return []string{fmt.Sprintf("Received disconnect from %s:%d: %v", peer, bye.Reason, bye), "Disconnected from " + peer}
}

// sessionWords are ssh's for an established connection that is lost. Where the network has failed, ssh finds that out once more as it
// says goodbye, and that is all that it tells.
func sessionWords(err error, o *config.Options, peer string) []string {
	bye := auth.Disconnected(err)
	switch {
	case bye != nil:
		return byeWords(bye, peer)
	case errors.Is(err, monitor.ErrSilent):
		return []string{fmt.Sprintf("Timeout, server %s not responding.", o.HostName)}
	case isBroken(err):
		return []string{"client_loop: send disconnect: Broken pipe"}
	case errors.Is(err, io.EOF):
		return []string{fmt.Sprintf("Connection to %s closed by remote host.", o.HostName)}
	}
	return []string{fmt.Sprintf("ssh_dispatch_run_fatal: Connection to %s: %v", peer, plainCause(err))}
}

// isBroken reports whether the network has ended a connection.
func isBroken(err error) bool { return errors.As(err, new(syscall.Errno)) }

// SaidAt returns the grade of ssh's words for an end: that the server has closed a connection, it says in spite of -q.
func SaidAt(err error) Grade {
	if fault.PhaseOf(err) == fault.PhaseSession && errors.Is(err, io.EOF) && !isBroken(err) {
		return Quiet
	}
	return Error
}

// plainCause returns what an error is about without the server's name.
func plainCause(err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
