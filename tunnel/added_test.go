package tunnel

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func addressOn(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func TestAddedForwardsStayThroughReloads(t *testing.T) {
	p := newPeer(t)
	own, extra := localAt(sshtest.FreePort(t), says(t, "own")), localAt(sshtest.FreePort(t), says(t, "extra"))
	o := config.Options{Hold: time.Second, Forwards: []config.Forward{own}}
	tun := newTestTunnel(t, &o)
	tun.Join(p.session(config.Echo{}))
	if added, err := tun.AddForward(t.Context(), extra); !added || err != nil {
		t.Fatal(added, err)
	}
	for _, f := range []config.Forward{own, extra} {
		if added, err := tun.AddForward(t.Context(), f); added || err != nil {
			t.Errorf("again: %v, %v", added, err)
		}
	}
	if err := reload(t, tun, o, own); err != nil {
		t.Fatal(err)
	}
	if got := heardAt(t, addressOn(extra.Listen.Port)); got != "extra" {
		t.Errorf("after a reload: %q", got)
	}
	if list := tun.Forwards(); len(list) != 2 || list[0].Added || !list[1].Added {
		t.Errorf("%+v", list)
	}
	if err := tun.RemoveForward(t.Context(), own); !errors.Is(err, ErrConfigured) {
		t.Errorf("one of the configuration: %v", err)
	}
	if err := tun.RemoveForward(t.Context(), extra); err != nil {
		t.Error(err)
	}
	if err := tun.RemoveForward(t.Context(), extra); !errors.Is(err, ErrNotForwarded) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := net.Dial("tcp", addressOn(extra.Listen.Port)); err == nil {
		t.Error("it listens after it was removed")
	}
	if got := heardAt(t, addressOn(own.Listen.Port)); got != "own" {
		t.Errorf("that of the configuration: %q", got)
	}
}

// A forward of a new configuration takes the place of one that was added, and is not removed as such.
func TestConfigurationTakesOverAnAddedForward(t *testing.T) {
	p := newPeer(t)
	extra := localAt(sshtest.FreePort(t), says(t, "extra"))
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	tun.Join(p.session(config.Echo{}))
	if _, err := tun.AddForward(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	other := extra
	other.Target = says(t, "other")
	if _, err := tun.AddForward(t.Context(), other); err == nil {
		t.Error("two listen at one place")
	}
	if err := reload(t, tun, config.Options{}, other); err != nil {
		t.Fatal(err)
	}
	if got := heardAt(t, addressOn(extra.Listen.Port)); got != "other" {
		t.Errorf("%q", got)
	}
	if err := tun.RemoveForward(t.Context(), other); !errors.Is(err, ErrConfigured) {
		t.Errorf("%v", err)
	}
}

func TestAddedForwardThatCannotListen(t *testing.T) {
	p := newPeer(t)
	p.OnListen = func(string, uint32) (uint32, bool) { return 0, false }
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, ExitOnForwardFailure: true})
	s := p.session(config.Echo{})
	tun.Join(s)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if added, err := tun.AddForward(t.Context(), localOn("127.0.0.1", taken.Addr().(*net.TCPAddr).Port, says(t, "x"))); added || err == nil {
		t.Errorf("a taken port: %v, %v", added, err)
	}
	remote := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: 4711}, Target: says(t, "x")}
	if _, err := tun.AddForward(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := tun.AwaitForward(ctx, remote); err == nil || ctx.Err() != nil {
		t.Errorf("a refused port: %v", err)
	}
	if s.broken() {
		t.Error("ExitOnForwardFailure has ended the connection for a forward that is not in the configuration")
	}
	if err := tun.RemoveForward(t.Context(), remote); err != nil {
		t.Error(err)
	}
	if list := tun.Forwards(); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestAddedForwardWhosePortTheServerChooses(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	remote := config.Forward{Kind: config.Remote, Listen: config.Endpoint{}, Target: says(t, "far")}
	if _, err := tun.AddForward(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	tun.Join(p.session(config.Echo{}))
	port, err := tun.AwaitForward(t.Context(), remote)
	if err != nil || port == 0 {
		t.Fatal(port, err)
	}
	if got := heardAt(t, addressOn(port)); got != "far" {
		t.Errorf("%q", got)
	}
}

// What was answered before an outage is no answer during it, and none is invented.
func TestAnswerOfARemoteForwardIsTrue(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	chosen := config.Forward{Kind: config.Remote, Target: says(t, "far")}
	fixed := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: sshtest.FreePort(t)}, Target: says(t, "far")}
	s := p.session(config.Echo{})
	tun.Join(s)
	for _, f := range []config.Forward{chosen, fixed} {
		if _, err := tun.AddForward(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if port, err := tun.AwaitForward(t.Context(), f); port == 0 || err != nil {
			t.Fatalf("%s: %d, %v", Spec(f), port, err)
		}
	}
	s.Close()
	tun.Leave(s)
	sshtest.Eventually(t, "both ask again", func() bool {
		list := tun.Forwards()
		return list[0].State == ForwardAsking && list[1].State == ForwardAsking
	})
	for _, f := range []config.Forward{chosen, fixed} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if port, err := tun.AwaitForward(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s in an outage: %d, %v", Spec(f), port, err)
		}
		cancel()
	}
	tun.Join(p.session(config.Echo{}))
	for _, f := range []config.Forward{chosen, fixed} {
		if port, err := tun.AwaitForward(t.Context(), f); port == 0 || err != nil {
			t.Errorf("%s after it: %d, %v", Spec(f), port, err)
		}
	}
}

// A forward that was added and then written into the configuration is that one: cancel leaves it, and it goes with it.
func TestAddedForwardThatIsConfiguredLater(t *testing.T) {
	p := newPeer(t)
	f := localAt(sshtest.FreePort(t), says(t, "it"))
	tun := newTestTunnel(t, &config.Options{Hold: time.Second})
	tun.Join(p.session(config.Echo{}))
	if _, err := tun.AddForward(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := reload(t, tun, config.Options{}, f); err != nil {
		t.Fatal(err)
	}
	if list := tun.Forwards(); len(list) != 1 || list[0].Added {
		t.Errorf("shown as added: %+v", list)
	}
	if err := tun.RemoveForward(t.Context(), f); !errors.Is(err, ErrConfigured) {
		t.Errorf("cancel: %v", err)
	}
	if got := heardAt(t, addressOn(f.Listen.Port)); got != "it" {
		t.Errorf("%q", got)
	}
	if err := reload(t, tun, config.Options{}); err != nil {
		t.Fatal(err)
	}
	if list := tun.Forwards(); len(list) != 0 {
		t.Errorf("left: %+v", list)
	}
}

// A tunnel in the place of one that has failed has what was added to that.
func TestAddedForwardsAreInherited(t *testing.T) {
	f := localAt(sshtest.FreePort(t), says(t, "it"))
	before := newTestTunnel(t, &config.Options{Hold: time.Second})
	if _, err := before.AddForward(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	before.Close()
	p := newPeer(t)
	tun := New(&config.Options{Hold: time.Second}, nil, quiet())
	tun.Inherit(before)
	if err := tun.Listen(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	tun.Join(p.session(config.Echo{}))
	if list := tun.Forwards(); len(list) != 1 || !list[0].Added || heardAt(t, addressOn(f.Listen.Port)) != "it" {
		t.Errorf("%+v", list)
	}
}
