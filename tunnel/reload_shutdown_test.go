package tunnel

import (
	"context"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A reload waits for the server to give up a remote forward, up to 5 s, before it asks for a new one. Who stops the tunnel
// meanwhile finds that one in the list.
func TestShutdownWhileAReloadWaitsForTheServer(t *testing.T) {
	p := newPeer(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	p.OnRequest = func(r *ssh.Request) {
		if r.Type == "cancel-tcpip-forward" {
			close(asked)
			<-answer
		}
	}
	remote := func(listen config.Endpoint) config.Forward {
		return config.Forward{Kind: config.Remote, Listen: listen, Target: config.Endpoint{Host: "127.0.0.1", Port: 9}}
	}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{remote(anyPort())}})
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "it listens", func() bool { return tun.Forwards()[0].State == ForwardListening })
	reloaded := make(chan error, 1)
	go func() {
		reloaded <- reload(t, tun, config.Options{}, remote(config.Endpoint{Host: "localhost", HostSet: true, Port: sshtest.FreePort(t)}))
	}()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tun.Shutdown(ctx)
	}()
	select {
	case <-stopped:
	case <-time.After(4 * time.Second):
		t.Error("the end waits for the server")
	}
	close(answer)
	<-reloaded
	<-stopped
}

// A socket that another tunnel has claimed in a reload is not closed by the end of the one that had it.
func TestShutdownLeavesAClaimedSocketToItsNewOwner(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	sockets := NewSockets(nil)
	old := New(&config.Options{Forwards: []config.Forward{localOn("127.0.0.1", port, says(t, "old"))}}, nil, quiet())
	if err := old.Listen(t.Context(), sockets); err != nil {
		t.Fatal(err)
	}
	o := &config.Options{Hold: time.Second, Forwards: []config.Forward{localOn("127.0.0.1", port, says(t, "new"))}}
	young := New(o, nil, quiet())
	defer young.Shutdown(context.Background())
	young.Join(p.session(config.Echo{}))

	c := sockets.Begin()
	c.Leave(old)
	plan := young.plan(o)
	b := c.bind(t.Context(), plan)
	old.Shutdown(t.Context())
	if !c.commit(t.Context(), young, plan, b) {
		t.Fatal("not committed")
	}
	c.End()
	if got := heardAt(t, young.boundAt(0)); got != "new" {
		t.Errorf("a client heard %q", got)
	}

	// Where the reload then fails, nobody keeps it.
	c = sockets.Begin()
	c.Leave(young)
	other := New(o, nil, quiet())
	b = c.bind(t.Context(), other.plan(o))
	young.Shutdown(t.Context())
	b.undo(t.Context())
	c.End()
	if err := other.Listen(t.Context(), NewSockets(nil)); err != nil {
		t.Error(err)
	}
	other.Shutdown(t.Context())
}

// What had to be closed for a reload that fails is not bound again for a tunnel that has been shut down meanwhile.
func TestReloadThatFailsBindsNothingForWhoHasEnded(t *testing.T) {
	port := sshtest.FreePort(t)
	sockets := NewSockets(nil)
	old := New(&config.Options{Forwards: []config.Forward{localOn("127.0.0.1", port, says(t, "old"))}}, nil, quiet())
	if err := old.Listen(t.Context(), sockets); err != nil {
		t.Fatal(err)
	}
	o := &config.Options{AddressFamily: config.IPv4, Forwards: []config.Forward{localOn("*", port, says(t, "new"))}}
	young := New(o, nil, quiet())
	defer young.Shutdown(context.Background())
	c := sockets.Begin()
	c.Leave(old)
	b := c.bind(t.Context(), young.plan(o))
	if len(b.displaced) != 1 {
		t.Fatalf("%d sockets were closed to make room", len(b.displaced))
	}
	old.Shutdown(t.Context())
	b.undo(t.Context())
	c.End()
	if err := young.Listen(t.Context(), NewSockets(nil)); err != nil {
		t.Error(err)
	}
}
