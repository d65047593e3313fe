package tunnel

import (
	"context"
	"io"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// A proof that the server owes us for a session that is being replaced holds the end of the tunnel up no more than the library
// does.
func TestShutdownDoesNotWaitForAProof(t *testing.T) {
	p := newPeer(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	defer close(answer)
	proofs := 0
	p.OnRequest = func(r *ssh.Request) {
		if proofs++; proofs == 2 {
			close(asked)
			<-answer
		}
	}
	p.OnOpen = func(c ssh.NewChannel) {
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		go ssh.DiscardRequests(requests)
		io.WriteString(ch, "all")
		ch.Close()
	}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(config.Endpoint{Host: "x", HostSet: true, Port: 1})}})
	s := p.session(config.Echo{Mode: config.EchoOff})
	defer s.Close()
	tun.Join(s)
	conn := dialTo(t, tun.boundAt(0))
	if got, err := io.ReadAll(conn); string(got) != "all" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	<-asked // after the EOF, whether the channel was closed by the server or by its end
	tun.Leave(s)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		tun.Shutdown(ctx)
	}()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("it waits for the server")
		s.Close()
		<-ended
	}
}

// A tunnel that nobody uses has no connections to cut, however little time it is given.
func TestShutdownAtOnceCutsNothingThatIsNotThere(t *testing.T) {
	p := newPeer(t)
	at, now := context.WithCancel(t.Context())
	now()
	for range 20 {
		tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(target(t, echoBytes))}})
		tun.Join(p.session(config.Echo{}))
		if err := tun.Shutdown(at); err != nil {
			t.Fatal(err)
		}
	}
}
