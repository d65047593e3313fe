package tunnel

import (
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// A server that takes us in and hangs up as soon as it is asked for something, again and again, does not keep a client for longer than
// TunneldHold. Its wait began anew with each connection, so that it had no end.
func TestHoldTimeIsOneForAllSessions(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	p.OnOpen = func(ssh.NewChannel) { p.Cut() }
	tun := newTestTunnel(t, &config.Options{Hold: 500 * time.Millisecond, Forwards: []config.Forward{localTo(anyPort())}})
	conn := dialTo(t, tun.boundAt(0))
	refused := make(chan struct{})
	go func() {
		defer close(refused)
		conn.Read(make([]byte, 1))
	}()
	for late := time.After(10 * time.Second); ; {
		s := p.session(config.Echo{})
		tun.Join(s)
		select {
		case <-s.Done():
		case <-refused:
			s.Close()
			return
		case <-late:
			t.Fatal("the client is still held")
		}
		select {
		case <-time.After(50 * time.Millisecond): // until there is another connection
		case <-refused:
			return
		}
	}
}
