package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// fromPort asks the server to choose a port of host for connections that target answers.
func fromPort(host string, target config.Endpoint) config.Forward {
	return config.Forward{Kind: config.Remote, Listen: config.Endpoint{Host: host, HostSet: host != ""}, Target: target}
}

// Some servers name port 0 in connections to a port that they chose.
func TestEchoOfAServerThatNamesNoPort(t *testing.T) {
	p := newPeer(t)
	p.Portless = true
	s := p.session(config.Echo{Mode: config.EchoAuto})
	defer s.Close()
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := s.Echo(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

// Somebody else may have the port that the server chose, on the other address of localhost, and answer nobody.
func TestEchoAtAPortThatSomebodyElseHasAsWell(t *testing.T) {
	p := newPeer(t)
	var theirs atomic.Uint32
	p.OnListen = func(string, uint32) (uint32, bool) {
		port := uint32(sshtest.FreePort(t))
		theirs.CompareAndSwap(0, port)
		return port, true
	}
	given := make(chan string, 1)
	p.OnRequest = func(r *ssh.Request) {
		if r.Type == "cancel-tcpip-forward" {
			given <- string(r.Payload)
		}
	}
	p.OnOpen = func(c ssh.NewChannel) {
		var open struct {
			Host string
			Port uint32
			From string
			Of   uint32
		}
		if err := ssh.Unmarshal(c.ExtraData(), &open); err != nil {
			t.Error(err)
		}
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		if open.Port == theirs.Load() {
			return
		}
		conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", open.Port))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go io.Copy(conn, ch)
		io.Copy(ch, conn)
		ch.Close()
	}
	s := p.session(config.Echo{Mode: config.EchoAuto})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Echo(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an echo of nobody's: %v", err)
	}
	<-given
	for range 2 {
		if _, err := s.Echo(t.Context()); err != nil {
			t.Error(err)
		}
	}
	select {
	case <-given:
		t.Error("a port that works was given up")
	default:
	}
}

func TestRemoteForwardOfAServerThatNamesNoPort(t *testing.T) {
	for _, c := range []struct {
		name     string
		forwards []config.Forward
		want     []string // what each says; empty: it is refused
		echo     bool     // comes back before anybody calls
	}{
		{"one", []config.Forward{fromPort("", says(t, "a"))}, []string{"a"}, false},
		{"one and the echo loop, which rests", []config.Forward{fromPort("", says(t, "a"))}, []string{"a"}, true},
		{"two addresses", []config.Forward{fromPort("", says(t, "a")), fromPort("127.0.0.1", says(t, "b"))}, []string{"a", "b"}, false},
		{"two at one address", []config.Forward{fromPort("", says(t, "a")), fromPort("", says(t, "b"))}, []string{"", ""}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t)
			p.Portless = true
			tun := newTestTunnel(t, &config.Options{Forwards: c.forwards})
			s := p.session(config.Echo{Mode: config.EchoAuto})
			defer s.Close()
			if c.echo {
				if _, err := s.Echo(t.Context()); err != nil {
					t.Error(err)
				}
			}
			tun.Join(s)
			for i := range c.want {
				sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[i].State == ForwardListening })
			}
			for i, want := range c.want {
				if got := exchangeAll(t, dialTo(t, tun.Forwards()[i].Bound[0]), nil); string(got) != want {
					t.Errorf("the forward %d: got %q, want %q", i, got, want)
				}
			}
		})
	}
}

// A connection may be a probe's or a client's: neither gets what is the other's.
func TestProbeAndClientThatCanNotBeToldApart(t *testing.T) {
	p := newPeer(t)
	p.Portless = true
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{fromPort("", says(t, "a"))}})
	s := p.session(config.Echo{Mode: config.EchoAuto})
	defer s.Close()
	tun.Join(s)
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.Echo(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the echo that may be a client: %v", err)
	}
	if got := exchangeAll(t, dialTo(t, tun.Forwards()[0].Bound[0]), nil); string(got) != "a" {
		t.Errorf("got %q after it", got)
	}
}
