//go:build unix

package mux

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// proxyClient is x/crypto's client in proxy mode.
func proxyClient(t *testing.T, m *Master) *ssh.Client {
	t.Helper()
	conn, err := net.Dial("unix", m.Path())
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	sshConn, channels, requests, err := ssh.NewControlClientConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	c := ssh.NewClient(sshConn, channels, requests)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestProxyMode(t *testing.T) {
	c := proxyClient(t, newMaster(t, newFake(t)))
	for range 3 {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		input := strings.Repeat("\x00 through the proxy\n", 20_000)
		s.Stdin = strings.NewReader(input)
		if out, err := s.Output("cat"); err != nil || string(out) != input {
			t.Fatalf("%d bytes of %d: %v", len(out), len(input), err)
		}
	}
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := s.Run("exit 7"); !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Errorf("exit 7: %v", err)
	}
	conn, err := c.Dial("tcp", echoServer(t).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "ping")
	b := make([]byte, 4)
	if _, err := io.ReadFull(conn, b); err != nil || string(b) != "ping" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := c.Dial("tcp", "127.0.0.1:1"); err == nil {
		t.Error("a port that is closed was opened")
	}
	if _, _, err := c.OpenChannel("x11", nil); err == nil {
		t.Error("any channel may be opened")
	}
	if ok, _, err := c.SendRequest("tcpip-forward", true, nil); ok || err != nil {
		t.Errorf("tcpip-forward: %v, %v", ok, err)
	}
}

func TestProxyClientLeaves(t *testing.T) {
	m := newMaster(t, newFake(t))
	c := proxyClient(t, m)
	s, err := c.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start("hang"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "nobody is left", func() bool { return m.Clients() == 0 })
}

// The agent and the display of a proxy client are out of reach, and it does not get those of the tunnel.
func TestProxyClientGetsNoAgent(t *testing.T) {
	s, err := proxyClient(t, newMaster(t, newFake(t))).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, request := range []string{"auth-agent-req@openssh.com", "x11-req"} {
		if granted, err := s.SendRequest(request, true, nil); granted || err != nil {
			t.Errorf("%s: %t, %v", request, granted, err)
		}
	}
	if out, err := s.Output("env"); err != nil {
		t.Errorf("afterwards: %q, %v", out, err)
	}
}

// A packet without a message ends its client, and nothing else: the library panics on it, in a goroutine of its own.
func TestEmptyPacketOfAProxyClient(t *testing.T) {
	m := newMaster(t, newFake(t))
	for _, packet := range []string{"\x00\x00\x00\x01\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xff\x00"} {
		s := greet(t, m)
		s.say(newMessage(requestProxy, 1))
		s.receive()
		io.WriteString(s.conn, packet)
		if _, err := io.Copy(io.Discard, s.conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q is waited for", packet)
		}
		s.conn.Close()
	}
	eventually(t, "nobody is left", func() bool { return m.Clients() == 0 })
}

// What a client wrote before it closed its channel arrives: as at sshd, the end is behind it.
func TestProxyClientThatClosesAtOnceLosesNothing(t *testing.T) {
	received := make(chan int64, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		received <- n
	}()
	c := proxyClient(t, newMaster(t, newFake(t)))
	conn, err := c.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if n := <-received; n != size {
		t.Errorf("%d bytes of %d arrived", n, size)
	}
}

// A connection that is lost is no end of what it carried.
func TestProxyClientLearnsOfALoss(t *testing.T) {
	f := newFake(t)
	c := proxyClient(t, newMaster(t, f))
	conn, err := c.Dial("tcp", echoServer(t).String())
	if err != nil {
		t.Fatal(err)
	}
	f.client.Close()
	io.Copy(io.Discard, conn)
	if err := c.Wait(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client's own connection goes on: %v", err)
	}
}
