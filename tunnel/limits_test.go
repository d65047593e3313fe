package tunnel

import (
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A server that opens connections through a -R without end made 10,000 goroutines and 309 MB of them.
func TestServerOpensNoMoreThanTheProcessMayHave(t *testing.T) {
	p := newPeer(t)
	var port atomic.Uint32
	p.BeforeReply = func(address string) {
		_, text, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(text)
		port.Store(uint32(n))
	}
	o := &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Listen: anyPort(), Target: target(t, echoBytes)}}}
	tun := New(o, nil, quiet())
	tun.Share(&Limits{connections: limit.NewShares(100), inbound: limit.NewShares(3)})
	if err := tun.Listen(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tun.Join(p.session(config.Echo{}))
	status := func() ForwardStatus { return tun.Forwards()[0] }
	sshtest.Eventually(t, "the server listens", func() bool { return status().State == ForwardListening })
	var conns []net.Conn
	for range 8 {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port.Load()))))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	sshtest.Eventually(t, "5 of 8 are refused", func() bool { return status().Refused == 5 && status().Open == 3 })
	if got := status().Limit; got != errManyInbound.Error() {
		t.Errorf("the status says %q", got)
	}
	for _, conn := range conns {
		conn.Close()
	}
	sshtest.Eventually(t, "all have ended", func() bool { return status().Open == 0 })
	if err := tun.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if used := tun.limits.inbound.Used() + tun.limits.connections.Used(); used != 0 {
		t.Errorf("%d places are still taken", used)
	}
}

// A client that leaves while the server has not answered is gone at once, and not when the server says no.
func TestClientsThatLeaveWhileTheServerIsAsked(t *testing.T) {
	p := newPeer(t)
	asked := make(chan ssh.NewChannel, 10)
	p.OnOpen = func(c ssh.NewChannel) { asked <- c }
	socks := config.Forward{Kind: config.Dynamic, Listen: anyPort()}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(target(t, echoBytes)), socks}})
	tun.Join(p.session(config.Echo{}))
	for i, first := range []string{"", "\x05\x01\x00\x05\x01\x00\x01\x01\x02\x03\x04\x00\x09"} {
		conn, err := net.Dial("tcp", tun.boundAt(i))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, first)
		open := <-asked
		if n := tun.Forwards()[i].Open; n != 1 {
			t.Errorf("%d open, want 1", n)
		}
		conn.Close()
		sshtest.Eventually(t, "the client is gone", func() bool { return tun.Forwards()[i].Open == 0 })
		open.Reject(ssh.ConnectionFailed, "at last")
	}
}
