package sshconn

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// chain returns options that reach the last server through all those before it.
func chain(t *testing.T, servers ...*sshd) *config.Options {
	t.Helper()
	var o *config.Options
	for _, s := range servers {
		next := s.options(t)
		next.Via = o
		o = next
	}
	return o
}

func TestJumpHosts(t *testing.T) {
	for hops := 1; hops <= 3; hops++ {
		t.Run(strings.Repeat("hop ", hops), func(t *testing.T) {
			wantNoLeak(t)
			var servers []*sshd
			for range hops + 1 {
				servers = append(servers, startSSHD(t)) // each with keys of its own
			}
			d := peerDialer(t)
			var steps []string
			d.Trace = func(s Step) { steps = append(steps, s.Name) }
			l, err := d.Dial(t.Context(), chain(t, servers...))
			if err != nil {
				t.Fatal(err)
			}
			serveLink(t, l)
			echoThrough(t, l)
			if len(l.Info.Via) != hops || !strings.HasSuffix(l.Info.Via[0], servers[0].listener.Addr().String()) {
				t.Errorf("via %v", l.Info.Via)
			}
			want := "dns, tcp, key exchange, host key, authentication" +
				strings.Repeat(", jump, key exchange, host key, authentication", hops)
			if got := strings.Join(steps, ", "); got != want {
				t.Errorf("steps %s", got)
			}
			if l.Info.Address != "" {
				t.Errorf("address %q behind a jump host", l.Info.Address)
			}
		})
	}
}

func TestJumpHostBehindAProxyCommand(t *testing.T) {
	wantNoLeak(t)
	peerTool(t, "socat")
	jump, server := startSSHD(t), startSSHD(t)
	o := server.options(t)
	o.Via = jump.throughTool(t, "socat - TCP:127.0.0.1:PORT")
	l, err := peerDialer(t).Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	echoThrough(t, l)
	if len(l.Info.Via) != 2 || l.Info.Via[0] != "proxy command" {
		t.Errorf("via %v", l.Info.Via)
	}
	l.Close()
	select {
	case <-l.Via.proxy.exited:
	default:
		t.Error("close did not wait for the command of the jump host")
	}
}

func TestJumpHostsDeathIsNoticedAtOnce(t *testing.T) {
	for i, name := range []string{"first", "second", "destination"} {
		t.Run(name, func(t *testing.T) {
			wantNoLeak(t)
			servers := []*sshd{startSSHD(t), startSSHD(t), startSSHD(t)}
			l, err := peerDialer(t).Dial(t.Context(), chain(t, servers...))
			if err != nil {
				t.Fatal(err)
			}
			serveLink(t, l)
			died := make(chan struct{})
			l.Wire.OnDead(func() { close(died) })
			servers[i].cut()
			select {
			case <-died:
			case <-time.After(5 * time.Second):
				t.Fatal("the connection through it lives on")
			}
			if err := l.Wire.err(); i < 2 && !strings.Contains(err.Error(), "jump host") {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}

// The ssh that ProxyJump starts learns the other keys of the jump host (UpdateHostKeys), and is ready for the day when the first is
// given up.
func TestHostKeysOfAJumpHostAreLearned(t *testing.T) {
	wantNoLeak(t)
	other := newPeerKeys(t)
	jump, server := startSSHD(t, "HostKey "+other.file), startSSHD(t)
	o := chain(t, jump, server)
	o.Via.UpdateHostKeys = config.UpdateYes
	known := o.Via.UserKnownHostsFile[0]
	l, err := peerDialer(t).Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	next := base64.StdEncoding.EncodeToString(other.public.Marshal())
	sshtest.Eventually(t, "the other key of the jump host stands in known_hosts", func() bool {
		text, err := os.ReadFile(known)
		return err == nil && strings.Contains(string(text), next)
	})
	echoThrough(t, l)
}

func TestJumpHostRefuses(t *testing.T) {
	t.Run("forwarding forbidden", func(t *testing.T) {
		wantNoLeak(t)
		jump, server := startSSHD(t, "AllowTcpForwarding no"), startSSHD(t)
		_, err := peerDialer(t).Dial(t.Context(), chain(t, jump, server))
		wantDialError(t, err, fault.PhaseDial, false, "cannot connect to it", "AllowTcpForwarding")
	})
	t.Run("destination down", func(t *testing.T) {
		wantNoLeak(t)
		jump, server := startSSHD(t), startSSHD(t)
		o := chain(t, jump, server)
		o.Port = sshtest.FreePort(t)
		_, err := peerDialer(t).Dial(t.Context(), o)
		wantDialError(t, err, fault.PhaseDial, false, "Connection refused", "")
	})
	t.Run("wrong key of the jump host", func(t *testing.T) {
		jump, server := startSSHD(t), startSSHD(t)
		o := chain(t, jump, server)
		o.Via.UserKnownHostsFile = o.UserKnownHostsFile
		_, err := peerDialer(t).Dial(t.Context(), o)
		var e *fault.Error
		if !errors.As(err, &e) || e.Phase != fault.PhaseHostKey || !e.Permanent || !strings.Contains(err.Error(), jump.listener.Addr().String()) && !strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("got %v", err)
		}
	})
}

// ssh.ClientConfig.Timeout and deadlines do nothing here: golang/go#51926.
func TestJumpToAMuteServerEnds(t *testing.T) {
	wantNoLeak(t)
	jump := startSSHD(t)
	mute := startPeer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	keys := newPeerKeys(t)
	o := peerOptions(t, mute.port(), keys.public, keys.file)
	o.Via = jump.options(t)
	o.Via.ConnectTimeout = time.Hour // the destination's counts
	o.ConnectTimeout = time.Second
	_, err := peerDialer(t).Dial(t.Context(), o)
	wantDialError(t, err, fault.PhaseHandshake, false, "key exchange: no answer within 1s", "")
}

// A jump host that is frozen (SIGSTOP, a black hole) must not hold up closing.
func TestJumpHostFrozenDoesNotBlockClose(t *testing.T) {
	wantNoLeak(t)
	jump, server := startSSHD(t), startSSHD(t)
	valve := newValve()
	relay := startPeer(t, func(c net.Conn) { valve.join(c, jump.port()) })
	t.Cleanup(valve.open)
	o := server.options(t)
	o.Via = peerOptions(t, relay.port(), jump.host.public, jump.client.file)
	l, err := peerDialer(t).Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	valve.shut()
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		for l.Wire.err() == nil { // until every buffer on the way is full, and longer
			if _, _, err := l.Conn.SendRequest("fill", false, make([]byte, 30000)); err != nil {
				return
			}
		}
	}()
	sshtest.Eventually(t, "the buffers are full", func() bool {
		l.Wire.mu.Lock()
		defer l.Wire.mu.Unlock()
		return len(l.Wire.queue) == wireBatch
	})
	done := make(chan struct{})
	go func() {
		l.Close()
		close(done)
	}()
	for _, c := range []chan struct{}{done, blocked} {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatal("close, or a writer, hangs")
		}
	}
}
