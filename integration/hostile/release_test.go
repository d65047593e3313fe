package hostile

import (
	"encoding/pem"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// A server that breaks the protocol and goes on sending stops the SSH library's reader for good, because nobody takes
// what it has read. The session must end all the same, without the help of a probe, and nothing of it may stay.
func TestProtocolErrorWithABacklogEndsTheSession(t *testing.T) {
	server := lab.StartRawServer(t, func(c *lab.RawConn) {
		for range 200 {
			c.Send(lab.MsgChannelData, uint32(99999), "for a channel that was never opened")
		}
		io.Copy(io.Discard, c.Conn)
	})
	o := rawOptions(t, server.Address(), knownhosts.Line([]string{server.Address()}, server.HostKey))
	tun := rawTunnel(o)
	for range 3 {
		s, err := tun.Connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("the session goes on though the protocol is broken")
		}
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "99999") {
			t.Errorf("the session ended with %v, want what the server did wrong", err)
		}
	}
	libraryIsGone(t)
}

// The same while we authenticate: what a server sends behind a refusal that we cannot read stays unread.
func TestBacklogInAuthenticationLeavesNothing(t *testing.T) {
	server := lab.StartRawLogin(t, func(c *lab.RawConn) error {
		if _, err := c.Read(); err != nil {
			return err
		}
		c.Send(lab.MsgServiceAccept, "ssh-userauth")
		if _, err := c.Read(); err != nil {
			return err
		}
		const authFailure = 51
		c.Send(authFailure, "publickey", false)
		if _, err := c.Read(); err != nil { // the offer of a key
			return err
		}
		for range 200 {
			c.Send(lab.MsgChannelData, uint32(1), "before anybody was let in")
		}
		io.Copy(io.Discard, c.Conn)
		return io.EOF
	}, func(*lab.RawConn) {})
	o := rawOptions(t, server.Address(), knownhosts.Line([]string{server.Address()}, server.HostKey))
	tun := rawTunnel(o)
	for range 3 {
		if s, err := tun.Connect(t.Context()); err == nil {
			s.Close()
			t.Fatal("logged in")
		}
	}
	libraryIsGone(t)
}

func rawTunnel(o *config.Options) *tunnel.Tunnel {
	log := slog.New(slog.DiscardHandler)
	return tunnel.New(o, &sshconn.Dialer{Credentials: auth.NewCredentials(nil, log), Log: log}, log)
}

// rawOptions resolves what leads to a server of the test, with a key of its own.
func rawOptions(t *testing.T, address, known string) *config.Options {
	t.Helper()
	dir := t.TempDir()
	knownHosts, key := filepath.Join(dir, "known_hosts"), filepath.Join(dir, "id_ed25519")
	lab.Check(t, os.WriteFile(knownHosts, []byte(known+"\n"), 0o600))
	block, err := ssh.MarshalPrivateKey(otherHostKey(), "")
	lab.Check(t, err)
	lab.Check(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	environment, err := config.CurrentEnvironment()
	lab.Check(t, err)
	host, port, _ := strings.Cut(address, ":")
	flags := []config.Flag{{Letter: 'F', Value: "none"}, {Letter: 'p', Value: port}, {Letter: 'i', Value: key}}
	for _, option := range []string{"IdentitiesOnly=yes", "IdentityAgent=none", "GlobalKnownHostsFile=none", "UpdateHostKeys=no",
		"ConnectTimeout=10", "UserKnownHostsFile=" + knownHosts} {
		flags = append(flags, config.Flag{Letter: 'o', Value: option})
	}
	o, err := config.Resolve(t.Context(), config.Request{Destination: host, Flags: flags, Environment: environment})
	lab.Check(t, err)
	return o
}

// libraryIsGone fails the test where goroutines of the SSH library are left. The servers of this package have none.
func libraryIsGone(t *testing.T) {
	t.Helper()
	var left []string
	if !lab.Within(lab.Patience, func() bool { left = libraryGoroutines(); return len(left) == 0 }) {
		t.Errorf("%d goroutines of the SSH library are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

func libraryGoroutines() (found []string) {
	text := make([]byte, 4<<20)
	text = text[:runtime.Stack(text, true)]
	for g := range strings.SplitSeq(string(text), "\n\n") {
		if strings.Contains(g, "x/crypto/ssh.(*") {
			found = append(found, g)
		}
	}
	return found
}
