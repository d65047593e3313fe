package autossh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Words returns what ssh says before it exits with 255 for this reason, and what tunneld has to add for a person, which may be
// nothing.
func Words(err error, o *config.Options) (ssh, more []string) {
	switch fault.PhaseOf(err) {
	case fault.PhaseDial:
		ssh = dialWords(err, o)
	case fault.PhaseHandshake:
		ssh = []string{fmt.Sprintf("Connection closed by %s port %d", o.HostName, o.Port)}
		if fault.IsPermanent(err) {
			ssh = []string{fmt.Sprintf("Unable to negotiate with %s port %d: %v", o.HostName, o.Port, err)}
		}
	case fault.PhaseHostKey:
		ssh = []string{"Host key verification failed."}
	case fault.PhaseAuth:
		ssh = authWords(err, o)
	case fault.PhaseForward:
		ssh = []string{"Error: " + forwardWords(err)}
	case fault.PhaseListen:
		ssh = append(ListenWords(err), NoForwards)
	case fault.PhaseSession:
		ssh = sessionWords(err, o)
	}
	if len(ssh) == 0 || wantsPerson(err) {
		more = append(more, "tunneld: "+err.Error())
	}
	if hint := fault.HintOf(err); hint != "" && (len(ssh) == 0 || wantsPerson(err)) {
		more = append(more, "tunneld: hint: "+strings.ReplaceAll(hint, "\n", " "))
	}
	return ssh, more
}

// wantsPerson reports whether ssh's words alone leave a person without help.
func wantsPerson(err error) bool {
	phase := fault.PhaseOf(err)
	return fault.IsPermanent(err) && (phase == fault.PhaseHostKey || phase == fault.PhaseAuth)
}

// IsTimeout reports whether an attempt ended because nobody answered in time.
func IsTimeout(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}

func dialWords(err error, o *config.Options) []string {
	var dns *net.DNSError
	var number syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return []string{fmt.Sprintf("ssh: Could not resolve hostname %s: Name or service not known", o.HostName)}
	case errors.As(err, &dns):
		return []string{fmt.Sprintf("ssh: Could not resolve hostname %s: Temporary failure in name resolution", o.HostName)}
	case errors.As(err, &number):
		return []string{fmt.Sprintf("ssh: connect to host %s port %d: %s", o.HostName, o.Port, capital(number.Error()))}
	case IsTimeout(err):
		return []string{fmt.Sprintf("ssh: connect to host %s port %d: Connection timed out", o.HostName, o.Port)}
	}
	return nil
}

func authWords(err error, o *config.Options) []string {
	var refused *auth.RefusedError
	if errors.As(err, &refused) {
		return []string{fmt.Sprintf("%s@%s: Permission denied (%s).", o.User, o.HostName, strings.Join(refused.Methods, ","))}
	}
	return []string{fmt.Sprintf("Connection closed by %s port %d", o.HostName, o.Port)}
}

func sessionWords(err error, o *config.Options) []string {
	var number syscall.Errno
	switch {
	case errors.Is(err, io.EOF):
		return []string{fmt.Sprintf("Connection to %s closed by remote host.", o.HostName)}
	case errors.As(err, &number):
		return []string{fmt.Sprintf("client_loop: send disconnect: %s", capital(number.Error()))}
	case errors.Is(err, monitor.ErrSilent):
		return []string{fmt.Sprintf("Timeout, server %s not responding.", o.HostName)}
	}
	return []string{fmt.Sprintf("Connection to %s closed by remote host.", o.HostName)}
}

func forwardWords(err error) string {
	var inner *fault.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	text, _, _ := strings.Cut(err.Error(), ": ")
	return text
}

// NoForwards is what ssh says where it has none of its local ports, or not all of them with ExitOnForwardFailure.
const NoForwards = "Could not request local forwarding."

// ListenWords are ssh's for a local port that it cannot have.
func ListenWords(err error) []string {
	var place interface{ ListenAddress() string }
	var number syscall.Errno
	if !errors.As(err, &place) || !errors.As(err, &number) {
		return nil
	}
	host, port, splitErr := net.SplitHostPort(place.ListenAddress())
	if splitErr != nil {
		return []string{fmt.Sprintf("unix_listener: cannot bind to path %s: %s", place.ListenAddress(), capital(number.Error()))}
	}
	return []string{
		fmt.Sprintf("bind [%s]:%s: %s", host, port, capital(number.Error())),
		"channel_setup_fwd_listener_tcpip: cannot listen to port: " + port,
	}
}
