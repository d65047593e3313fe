package tunnel

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// Two connections are replaced at once, again and again, while forwards come and go with reloads and clients call: nobody is
// reset, every old connection ends by itself, and the remote ports are there in the end.
func TestReplacementsOfTwoSessionsDuringReloads(t *testing.T) {
	const rounds, clients = 8, 4
	p := newPeer(t)
	far := target(t, echoBytes)
	fixed := config.Forward{Kind: config.Local, Listen: config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: sshtest.FreePort(t)}, Target: far}
	options := func(extra ...config.Forward) *config.Options {
		return &config.Options{Hold: 10 * time.Second, Forwards: append([]config.Forward{fixed, fromPort("", far), fromPort("127.0.0.1", far)}, extra...)}
	}
	tun := newTestTunnel(t, options())
	live := []*Session{p.session(config.Echo{}), p.session(config.Echo{})}
	for _, s := range live {
		tun.Join(s)
	}
	over := make(chan struct{})
	var calling, retiring sync.WaitGroup
	for range clients {
		calling.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if err := callEcho(fixed.Listen.Port); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	calling.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			default:
			}
			var extra []config.Forward
			if i%2 == 0 {
				extra = []config.Forward{localTo(far), fromPort("127.0.0.1", far)}
			}
			if err := tun.Reload(t.Context(), options(extra...)); err != nil {
				t.Error(err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range rounds {
		next := []*Session{p.session(config.Echo{}), p.session(config.Echo{})}
		var both sync.WaitGroup
		for i, old := range live {
			both.Go(func() { tun.Join(next[i]) })
			retiring.Go(func() {
				both.Wait()
				if err := tun.Retire(ctx, old); err != nil {
					t.Errorf("connections were cut: %v", err)
				}
			})
		}
		both.Wait()
		live = next
	}
	close(over)
	calling.Wait()
	retiring.Wait()
	if err := tun.Reload(t.Context(), options()); err != nil {
		t.Error(err)
	}
	for i := 1; i <= 2; i++ {
		sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[i].State == ForwardListening })
		if back := exchangeAll(t, dialTo(t, tun.Forwards()[i].Bound[0]), []byte("there")); string(back) != "there" {
			t.Errorf("the remote port gave %q", back)
		}
	}
	for _, s := range live {
		sshtest.Eventually(t, "nothing open", func() bool { return s.Open() == 0 })
	}
}

// callEcho sends a word to an echo behind a local port and reads it back.
func callEcho(port int) error {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 5))
	return err
}

// Everything is stopped while two connections are being replaced, with a client that does not go: it is cut when the time is
// up, and nothing waits for longer.
func TestShutdownDuringReplacements(t *testing.T) {
	for range 10 {
		p := newPeer(t)
		far := target(t, echoBytes)
		tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second, Forwards: []config.Forward{localTo(far), fromPort("", far)}})
		live := []*Session{p.session(config.Echo{}), p.session(config.Echo{})}
		for _, s := range live {
			tun.Join(s)
		}
		sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[1].State == ForwardListening })
		for _, address := range []string{tun.boundAt(0), tun.boundAt(1)} {
			conn := dialTo(t, address)
			conn.Write([]byte("x"))
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		draining, cut := context.WithCancel(t.Context())
		var replacing sync.WaitGroup
		for _, old := range live {
			next := p.session(config.Echo{})
			replacing.Go(func() {
				tun.Join(next)
				tun.Retire(draining, old)
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begun := time.Now()
		tun.Shutdown(ctx)
		cancel()
		cut()
		replacing.Wait()
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("stopped after %v", took)
		}
		for _, s := range tun.pool.sessions() { // joined after the end
			s.Close()
		}
	}
}
