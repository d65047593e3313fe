package autossh

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

func broken(number syscall.Errno) error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", number)}
}

// The ends that no test can bring about without a kernel that waits for minutes, or a router; the others are beside the real ssh in
// integration/autossh.
func TestWordsOfRareEnds(t *testing.T) {
	o := &config.Options{User: "me", HostName: "example.org", Port: 22}
	jump := &config.Options{User: "me", HostName: "far", Port: 22, Via: o}
	reached := new(Reached)
	reached.Note(sshconn.Step{Name: "tcp", Host: o.Peer(), Detail: "192.0.2.1:22"})
	reached.Note(sshconn.Step{Name: "tcp", Host: o.Peer(), Err: io.EOF})
	const lost = "client_loop: send disconnect: Broken pipe"
	const tail = "kex_exchange_identification: Connection closed by remote host|Connection closed by UNKNOWN port 65535"
	for _, c := range []struct {
		phase fault.Phase
		where string
		err   error
		o     *config.Options
		want  string
	}{
		{fault.PhaseDial, "", broken(syscall.EHOSTUNREACH), o, "ssh: connect to host example.org port 22: No route to host"},
		{fault.PhaseDial, "", broken(syscall.ENETUNREACH), o, "ssh: connect to host example.org port 22: Network is unreachable"},
		{fault.PhaseDial, "", broken(syscall.ETIMEDOUT), o, "ssh: connect to host example.org port 22: Connection timed out"},
		{fault.PhaseDial, "", os.ErrDeadlineExceeded, o, "ssh: connect to host example.org port 22: Connection timed out"},
		{fault.PhaseDial, "", &net.DNSError{IsTemporary: true}, o, "ssh: Could not resolve hostname example.org: Temporary failure in name resolution"},
		{fault.PhaseDial, jump.Peer(), &ssh.OpenChannelError{Reason: ssh.Prohibited, Message: "open failed"}, jump, "channel 0: open failed: administratively prohibited: open failed|stdio forwarding failed|" + tail},
		{fault.PhaseDial, o.Peer(), broken(syscall.ECONNREFUSED), jump, "ssh: connect to host example.org port 22: Connection refused|" + tail},
		{fault.PhaseHandshake, "", os.ErrDeadlineExceeded, o, "Connection to 192.0.2.1 port 22 timed out"},
		{fault.PhaseHandshake, "", &ssh.AlgorithmNegotiationError{What: "server to client compression", RequestedAlgorithms: []string{"zlib", "x\x1b[2J"}}, o,
			"Unable to negotiate with 192.0.2.1 port 22: no matching compression method found. Their offer: zlib,x[2J"},
		{fault.PhaseAuth, "", broken(syscall.ECONNRESET), o, "Connection reset by 192.0.2.1 port 22"},
		{fault.PhaseAuth, "", os.ErrDeadlineExceeded, o, "Connection to 192.0.2.1 port 22 timed out"},
		{fault.PhaseSession, "", broken(syscall.ETIMEDOUT), o, lost},
		{fault.PhaseSession, "", broken(syscall.EHOSTUNREACH), o, lost},
		{fault.PhaseSession, "", broken(syscall.EPIPE), o, lost},
		{fault.PhaseSession, "", fmt.Errorf("nothing: %w", monitor.ErrSilent), o, "Timeout, server example.org not responding."},
		{fault.PhaseSession, "", errors.New(`ssh: disconnect, reason 11: "going down"`), o, "Received disconnect from 192.0.2.1 port 22:11: going down|Disconnected from 192.0.2.1 port 22"},
		{fault.PhaseSession, "", errors.New("cipher: message authentication failed"), o, "ssh_dispatch_run_fatal: Connection to 192.0.2.1 port 22: cipher: message authentication failed"},
	} {
		ssh, more := Words(&fault.Error{Phase: c.phase, Where: c.where, Err: c.err}, c.o, reached)
		if want := strings.Split(c.want, "|"); !slices.Equal(ssh, want) || len(more) > 0 != (c.want == lost) {
			t.Errorf("%s, %v: %q and %q, want %q", c.phase, c.err, ssh, more, want)
		}
	}
	for _, err := range []error{ // for which ssh has no words
		&fault.Error{Phase: fault.PhaseHandshake, Permanent: true, Err: errors.New("Ciphers x names nothing that tunneld has"), Hint: "remove\nthe line"}, errors.New("odd"),
	} {
		if ssh, more := Words(err, o, nil); len(ssh) > 0 || more[0] != "tunneld: "+err.Error() {
			t.Errorf("%v: %q and %q", err, ssh, more)
		}
	}
}

// What ssh says is said for each attempt; what tunneld adds is said once, and again after something else was the matter.
func TestAddsOnce(t *testing.T) {
	var said strings.Builder
	l, err := OpenLog(&spec.Command{Name: "autossh", Settings: spec.Settings{LogLevel: spec.LevelInfo}}, &said)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused := []string{"tunneld: refused publickey", "tunneld: hint: ssh-add"}
	for _, more := range [][]string{refused, refused, nil, refused, refused, {"tunneld: the host key has changed"}, refused} {
		l.SSH(Error, "words of ssh")
		l.Add(more)
	}
	for text, want := range map[string]int{"words of ssh": 7, "refused publickey": 3, "ssh-add": 3, "changed": 1} {
		if n := strings.Count(said.String(), text); n != want {
			t.Errorf("%q is said %d times, want %d\n%s", text, n, want, &said)
		}
	}
}
