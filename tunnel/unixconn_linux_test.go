package tunnel

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
	"github.com/tunneld/tunneld/tunnel/unixconn"
)

// unixPair returns both ends of a Unix connection, ours as the forwards use it.
func unixPair(t *testing.T) (ours stream, theirs *net.UnixConn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); accepted.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return unixconn.Of(accepted.(*net.UnixConn)), conn.(*net.UnixConn)
}

func TestUnixConnectionsCarryEveryByteOnce(t *testing.T) {
	ours, theirs := unixPair(t)
	data := make([]byte, 3<<20+1)
	rand.Read(data)
	var got bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- copyToChannel(&got, ours, new(atomic.Uint64)) }()
	for size, rest := 1, data; len(rest) > 0; size = size*5%200000 + 1 {
		n := min(size, len(rest))
		if _, err := theirs.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	theirs.CloseWrite()
	if err := <-ended; err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Fatalf("%d of %d bytes, %v", got.Len(), len(data), err)
	}
}

func TestUnixConnectionsEndAsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(net.Conn)
		want error
	}{
		{"close", func(conn net.Conn) { conn.Close() }, io.EOF},
		{"reset", reset, syscall.ECONNRESET},
	} {
		t.Run(c.name, func(t *testing.T) {
			ours, theirs := unixPair(t)
			var got bytes.Buffer
			var count atomic.Uint64
			ended := make(chan error, 1)
			go func() { ended <- copyToChannel(&got, ours, &count) }()
			for n := range uint64(3) {
				theirs.Write([]byte("x"))
				sshtest.Eventually(t, "the byte passed on at once", func() bool { return count.Load() == n+1 })
			}
			c.end(ours)
			<-ended
			if _, err := theirs.Read(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("the peer saw %v, want %v", err, c.want)
			}
		})
	}
}

// The peer's reset is passed on as such.
func TestUnixPeerResets(t *testing.T) {
	ours, theirs := unixPair(t)
	var count atomic.Uint64
	ended := make(chan error, 1)
	go func() { ended <- copyToChannel(io.Discard, ours, &count) }()
	theirs.Write([]byte("x"))
	ours.Write([]byte("unread"))
	sshtest.Eventually(t, "the byte passed on", func() bool { return count.Load() == 1 })
	theirs.Close()
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestUnixClientsAreResetWhenTheSessionBreaks(t *testing.T) {
	p := newPeer(t)
	forward := localTo(target(t, echoBytes))
	forward.Listen = config.Endpoint{Path: t.TempDir() + "/socket"}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{forward}})
	s := p.session(config.Echo{})
	tun.Join(s)
	conn, err := net.Dial("unix", tun.boundAt(0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(conn, "hello")
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client saw %v, want a reset", err)
	}
}
