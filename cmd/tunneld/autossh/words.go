package autossh

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hook"
	"github.com/tunneld/tunneld/tunnel/hostkey"
)

// Words returns what ssh says before it exits with 255 for this reason, and what tunneld has to add for a person, which may be
// nothing. reached is whom the attempt has reached, or nil.
func Words(err error, o *config.Options, reached *Reached) (ssh, more []string) {
	hop := hopOf(err, o)
	if _, ours := errors.AsType[*hook.Error](err); !ours {
		ssh = phaseWords(err, hop, reached.by(hop))
	}
	if hop != o && len(ssh) > 0 { // what an ssh of its own says, by which ours is connected
		ssh = append(ssh, throughProxy...)
	}
	if len(ssh) == 0 || wantsPerson(err) {
		more = append(more, "tunneld: "+err.Error())
	}
	if hint := fault.HintOf(err); hint != "" && (len(ssh) == 0 || wantsPerson(err)) {
		more = append(more, "tunneld: hint: "+strings.ReplaceAll(hint, "\n", " "))
	}
	return ssh, more
}

// hopOf returns the options of the jump host that err is about, or those of the destination.
func hopOf(err error, o *config.Options) *config.Options {
	var e *fault.Error
	if errors.As(err, &e) {
		for hop := o; hop != nil; hop = hop.Via {
			if hop.Peer() == e.Where {
				return hop
			}
		}
	}
	return o
}

// phaseWords are ssh's for one host, which peer names with its port.
func phaseWords(err error, o *config.Options, peer string) []string {
	switch fault.PhaseOf(err) {
	case fault.PhaseDial:
		return dialWords(err, o)
	case fault.PhaseHandshake:
		return handshakeWords(err, peer)
	case fault.PhaseHostKey:
		return hostKeyWords(err, o)
	case fault.PhaseAuth:
		return authWords(err, o, peer)
	case fault.PhaseForward:
		return []string{"Error: " + forwardWords(err)}
	case fault.PhaseListen:
		return append(ListenWords(err), NoForwards)
	case fault.PhaseSession:
		return sessionWords(err, o, peer)
	}
	return nil
}

// wantsPerson reports whether ssh's words alone leave a person without help.
func wantsPerson(err error) bool {
	switch fault.PhaseOf(err) {
	case fault.PhaseHostKey, fault.PhaseAuth:
		return fault.IsPermanent(err)
	case fault.PhaseHandshake:
		return fault.HintOf(err) != ""
	case fault.PhaseSession:
		return isBroken(err)
	}
	return false
}

// IsTimeout reports whether an attempt ended because nobody answered in time.
func IsTimeout(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}

func dialWords(err error, o *config.Options) []string {
	var dns *net.DNSError
	var number syscall.Errno
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused): // by a jump host
		return append([]string{refusedWords(refused), "stdio forwarding failed"}, throughProxy...)
	case o.Via != nil, o.ProxyCommand != "":
		return throughProxy
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

// changedWarning is what people look for in ssh's warning of a host key that is not the known one.
var changedWarning = []string{
	"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
	"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
	"@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@",
}

func hostKeyWords(err error, o *config.Options) (lines []string) {
	var refused *hostkey.RefusedError
	switch {
	case !errors.As(err, &refused):
	case refused.Known != "":
		lines = append(slices.Clone(changedWarning), fmt.Sprintf("Offending %s key in %s", refused.Type, refused.Known),
			fmt.Sprintf("Host key for %s has changed and you have requested strict checking.", refused.Host))
	case o.StrictHostKeyChecking == config.StrictYes:
		lines = []string{fmt.Sprintf("No %s host key is known for %s and you have requested strict checking.", refused.Type, refused.Host)}
	}
	return append(lines, "Host key verification failed.")
}

func authWords(err error, o *config.Options, peer string) []string {
	var refused *auth.RefusedError
	if errors.As(err, &refused) && auth.Disconnected(err) == nil {
		return []string{fmt.Sprintf("%s@%s: Permission denied (%s).", o.User, o.HostName, strings.Join(refused.Methods, ","))}
	}
	return endWords(err, peer)
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
