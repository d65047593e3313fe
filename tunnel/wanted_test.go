package tunnel

import (
	"net"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
)

// expectWanted checks that a lazy tunnel would connect now.
func expectWanted(t *testing.T, tun *Tunnel, why string) {
	t.Helper()
	select {
	case <-tun.Wanted():
	case <-time.After(10 * time.Second):
		t.Errorf("a lazy tunnel stays idle: %s", why)
	}
}

func expectUnwanted(t *testing.T, tun *Tunnel, why string) {
	t.Helper()
	select {
	case <-tun.Wanted():
		t.Errorf("a lazy tunnel connects: %s", why)
	default:
	}
}

// A forward at the server has no client here who could wake the tunnel: a lazy one to which a reload had brought its first -R stayed
// idle, and unhealthy.
func TestRemoteForwardWakesALazyTunnel(t *testing.T) {
	o := config.Options{Lazy: time.Minute}
	local, remote := localTo(says(t, "near")), fromPort("", says(t, "far"))
	tun := newTestTunnel(t, &config.Options{Lazy: time.Minute, Forwards: []config.Forward{local}})
	expectUnwanted(t, tun, "it listens")
	if err := reload(t, tun, o, local, remote); err != nil {
		t.Fatal(err)
	}
	expectWanted(t, tun, "a reload has brought a -R")
	if err := reload(t, tun, o, local, remote); err != nil {
		t.Fatal(err)
	}
	expectUnwanted(t, tun, "a reload has changed nothing")
	if _, err := tun.AddForward(t.Context(), fromPort("127.0.0.1", says(t, "further"))); err != nil {
		t.Fatal(err)
	}
	expectWanted(t, tun, "a -R was added")
}

// With TunneldHold 0 the first client is refused, and the tunnel connects for the next. It never did.
func TestClientThatIsNotHeldWakesALazyTunnel(t *testing.T) {
	tun := newTestTunnel(t, &config.Options{Lazy: time.Minute, Forwards: []config.Forward{localTo(says(t, "near"))}})
	if conn, err := net.Dial("tcp", tun.boundAt(0)); err == nil { // else it was reset already
		defer conn.Close()
	}
	expectWanted(t, tun, "a client was refused")
}
