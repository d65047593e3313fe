package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/sshtest"
	"github.com/tunneld/tunneld/tunnel/unixconn"
)

// program is a process that has asked for a connection to far: its end of the socket.
func program(t *testing.T, tun *Tunnel, far config.Endpoint) *net.UnixConn {
	t.Helper()
	d, err := tun.Direct(t.Context(), far)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := unixPair(t)
	carried := make(chan struct{})
	go func() {
		defer close(carried)
		tun.Carry(d, ours.(*unixconn.Conn).UnixConn)
	}()
	t.Cleanup(func() {
		theirs.Close()
		select {
		case <-carried:
		case <-time.After(20 * time.Second):
			t.Error("the connection of a program that has gone is still carried")
		}
	})
	if _, err := theirs.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	return theirs
}

func TestDirectCarriesAndHalfCloses(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	tun.Join(p.session(config.Echo{}))
	conn := program(t, tun, target(t, func(conn *net.TCPConn) {
		request, _ := io.ReadAll(conn)
		conn.Write(append([]byte("got "), request...))
	}))
	io.WriteString(conn, "a request")
	conn.CloseWrite()
	if answer, err := io.ReadAll(conn); string(answer) != "got a request" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}

	first := program(t, tun, target(t, func(conn *net.TCPConn) {
		conn.CloseWrite()
		io.Copy(io.Discard, conn)
	}))
	if rest, err := io.ReadAll(first); len(rest) > 0 || err != nil {
		t.Errorf("the target's end: %q, %v", rest, err)
	}
	if _, err := io.WriteString(first, "still taken"); err != nil {
		t.Errorf("after the target's end: %v", err)
	}
}

// Programs that are held count as much as those that are served, and take their part of the files that may be open.
func TestHeldDirectsAreBounded(t *testing.T) {
	tun := New(&config.Options{Hold: time.Minute}, nil, quiet())
	tun.Share(&Limits{connections: limit.NewShares(2), inbound: limit.NewShares(1)})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	target := config.Endpoint{Host: "db", HostSet: true, Port: 5432}
	ended := make(chan error, 2)
	for range cap(ended) {
		go func() {
			_, err := tun.Direct(ctx, target)
			ended <- err
		}()
	}
	sshtest.Eventually(t, "two are held", func() bool { return tun.Riders().Held == 2 })
	short, tired := context.WithTimeout(t.Context(), 10*time.Second)
	defer tired()
	if _, err := tun.Direct(short, target); !errors.Is(err, errManyFiles) {
		t.Errorf("one more: %v", err)
	}
	for range maxDirect - 2 {
		tun.directs.add()
	}
	if _, err := tun.Direct(short, target); !errors.Is(err, errTooManyDirect) {
		t.Errorf("one more than there may be: %v", err)
	}
	leave()
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves is told %v", err)
		}
	}
	if n := tun.directs.count(); n != maxDirect-2 {
		t.Errorf("%d are counted", n)
	}
	if release, ok := tun.Admit(2); !ok {
		t.Error("files are not given back")
	} else {
		release()
	}
}

// What programs ride on is in use while it is quiet: a planned replacement does not cut an ssh behind a jump host.
func TestQuietConnectionsOfProgramsAreInUse(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	s := p.session(config.Echo{})
	tun.Join(s)
	far := target(t, echoBytes)
	conn := program(t, tun, far)
	kind, payload := openPayload(far, nil)
	stdio, err := tun.OpenFor(t.Context(), kind, payload)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Commands(); n != 2 {
		t.Errorf("%d are in use, want 2", n)
	}
	conn.Close()
	stdio.Close()
	sshtest.Eventually(t, "none is in use", func() bool { return s.Commands() == 0 })
}

// A program that has not said a word yet is reset as well when something breaks off: an end would look complete.
func TestDirectIsResetWhenTheSessionBreaks(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		p := newPeer(t)
		tun := newTestTunnel(t, &config.Options{Hold: time.Second})
		tun.Join(p.session(config.Echo{}))
		conn := program(t, tun, target(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "welcome")
			io.Copy(io.Discard, conn)
		}))
		if _, err := io.ReadFull(conn, make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		if speaks {
			io.WriteString(conn, "hello")
		}
		p.Cut()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("speaks %t: the program saw %v, want a reset", speaks, err)
		}
	}
}

// The end of the program is the end of the channel, whatever the target does; what it wrote before arrives.
func TestDirectEndsWithItsProgram(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	tun.Join(p.session(config.Echo{}))
	heard, ended := make(chan string, 1), make(chan error, 1)
	far := target(t, func(conn *net.TCPConn) {
		all, _ := io.ReadAll(conn)
		heard <- string(all)
		for { // it never closes by itself, and says something only when it is told to
			conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := conn.Write([]byte("x")); err != nil {
				ended <- err
				return
			}
			conn.Read(make([]byte, 1))
		}
	})
	silent := target(t, func(conn *net.TCPConn) {
		io.Copy(io.Discard, conn)
		<-t.Context().Done()
	})
	conn := program(t, tun, far)
	quiet := program(t, tun, silent)
	io.WriteString(conn, "last words")
	conn.Close()
	quiet.Close()
	if got := <-heard; got != "last words" {
		t.Errorf("the target heard %q", got)
	}
	sshtest.Eventually(t, "both channels closed", func() bool { return tun.busy() == 0 })
	<-ended
}

func TestDirectIsHeldAndRefused(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Minute})
	far, got := target(t, echoBytes), make(chan error, 1)
	go func() {
		d, err := tun.Direct(t.Context(), far)
		if err == nil {
			d.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("not held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	leaving, leave := context.WithCancel(t.Context())
	leave()
	if _, err := tun.Direct(leaving, far); err == nil {
		t.Error("served though its program has left")
	}
	tun.Join(p.session(config.Echo{}))
	if err := <-got; err != nil {
		t.Error(err)
	}
	far.Port = sshtest.FreePort(t)
	var refused *ssh.OpenChannelError
	if _, err := tun.Direct(t.Context(), far); !errors.As(err, &refused) || refused.Message != "Connection refused" {
		t.Errorf("a target that refuses: %v", err)
	}
}

// A target that does not read holds a program up, and costs no memory beyond the window.
func TestDirectToATargetThatNeverReads(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	tun.Join(p.session(config.Echo{}))
	conn := program(t, tun, target(t, func(*net.TCPConn) { <-t.Context().Done() }))
	var written atomic.Int64
	go func() {
		for block := make([]byte, 64<<10); ; {
			n, err := conn.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	var before int64 = -1
	sshtest.Eventually(t, "the program waits", func() bool {
		now := written.Load()
		same := now == before
		before = now
		return same && now > 0
	})
	if before > 64<<20 {
		t.Errorf("%d bytes are on their way", before)
	}
}
