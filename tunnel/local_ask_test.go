package tunnel

import (
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// hog listens where a forward should.
func hog(t *testing.T) (net.Listener, config.Forward) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, localOn("127.0.0.1", l.Addr().(*net.TCPAddr).Port, says(t, "far"))
}

func TestBusyLocalPortIsAskedForAgain(t *testing.T) {
	p := newPeer(t)
	stranger, busy := hog(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{busy, localTo(says(t, "free"))}})
	tun.Join(p.session(config.Echo{}))
	status := tun.Forwards()
	if status[0].State != ForwardFailed || len(status[0].Bound) > 0 || !strings.Contains(status[0].LastError, syscall.EADDRINUSE.Error()) {
		t.Errorf("the busy one: %+v", status[0])
	}
	if got := heardAt(t, status[1].Bound[0]); got != "free" {
		t.Errorf("the other leads to %q", got)
	}
	if err := reload(t, tun, config.Options{}, busy); err != nil || tun.Forwards()[0].State != ForwardFailed {
		t.Errorf("a reload meanwhile: %v, %+v", err, tun.Forwards())
	}
	stranger.Close()
	sshtest.Eventually(t, "it listens", func() bool { return tun.Forwards()[0].State == ForwardListening })
	if got := heardAt(t, stranger.Addr().String()); got != "far" {
		t.Errorf("it leads to %q", got)
	}
	if status := tun.Forwards()[0]; status.LastError != "" {
		t.Errorf("an error is still shown: %+v", status)
	}
}

func TestBusyLocalPortsThatEndTheStart(t *testing.T) {
	_, busy := hog(t)
	free := localTo(config.Endpoint{Host: "x", Port: 1})
	remote := config.Forward{Kind: config.Remote, Listen: anyPort(), Target: config.Endpoint{Host: "x", Port: 1}}
	for _, c := range []struct {
		name    string
		options config.Options
		good    bool
	}{
		{"nothing else", config.Options{Forwards: []config.Forward{busy}}, false},
		{"ExitOnForwardFailure", config.Options{ExitOnForwardFailure: true, Forwards: []config.Forward{busy, free}}, false},
		{"another one", config.Options{Forwards: []config.Forward{busy, free}}, true},
		{"a remote one", config.Options{Forwards: []config.Forward{busy, remote}}, true},
		{"a directory that is not there", config.Options{Forwards: []config.Forward{{Kind: config.Local, Listen: config.Endpoint{Path: filepath.Join(t.TempDir(), "no", "s")}}, free}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tun := New(&c.options, nil, quiet())
			defer tun.Shutdown(t.Context())
			err := tun.Listen(t.Context(), nil)
			if (err == nil) != c.good {
				t.Errorf("got %v", err)
			}
			if !c.good && (fault.PhaseOf(err) != fault.PhaseListen || !fault.IsPermanent(err) || !errors.Is(err, syscall.EADDRINUSE) || len(tun.Forwards()) > 0) {
				t.Errorf("got %v and %v", err, tun.Forwards())
			}
		})
	}
}

// ssh serves the addresses that it can have.
func TestOneOfTwoAddressesIsServed(t *testing.T) {
	p := newPeer(t)
	stranger, busy := hog(t)
	busy.Listen.Host = "localhost"
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{busy, localTo(says(t, "free"))}})
	tun.Join(p.session(config.Echo{}))
	status := tun.Forwards()[0]
	if len(status.Bound) == 0 {
		t.Skip("no IPv6 here")
	}
	if status.State != ForwardFailed || heardAt(t, status.Bound[0]) != "far" {
		t.Errorf("got %+v", status)
	}
	stranger.Close()
	sshtest.Eventually(t, "both are", func() bool { return tun.Forwards()[0].State == ForwardListening && len(tun.Forwards()[0].Bound) == 2 })
}

// Of two forwards at the same port the second takes over the moment that the first goes.
func TestForwardThatOneOfOursIsInTheWayOf(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	first, second := localOn("127.0.0.1", port, says(t, "first")), localOn("127.0.0.1", port, says(t, "second"))
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{first, second}})
	tun.Join(p.session(config.Echo{}))
	locals, _ := tun.forwards()
	if hint := fault.HintOf(locals[1].failing()); !strings.Contains(hint, Spec(first)+" of this process") {
		t.Errorf("the hint is %q", hint)
	}
	if err := reload(t, tun, config.Options{}, second); err != nil {
		t.Fatal(err)
	}
	sshtest.Eventually(t, "the second listens", func() bool { return tun.Forwards()[0].State == ForwardListening })
	if got := heardAt(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); got != "second" {
		t.Errorf("it leads to %q", got)
	}
}
