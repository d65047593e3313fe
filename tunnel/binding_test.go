package tunnel

import (
	"net"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// Two forwards of one tunnel on one port: it is no other program that has it.
func TestTheSamePortTwiceIsTold(t *testing.T) {
	listen := config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: sshtest.FreePort(t)}
	forwards := []config.Forward{
		{Kind: config.Local, Listen: listen, Target: config.Endpoint{Host: "a", Port: 1}},
		{Kind: config.Local, Listen: listen, Target: config.Endpoint{Host: "b", Port: 2}},
	}
	tun := New(&config.Options{ExitOnForwardFailure: true, Forwards: forwards}, nil, quiet())
	err := tun.Listen(t.Context(), nil)
	if want := Spec(forwards[0]) + " of this process"; !strings.Contains(fault.HintOf(err), want) {
		t.Errorf("%v; hint %q, want %q in it", err, fault.HintOf(err), want)
	}
}

// Two aliases that were copied from one another want one port: the hint says which of them has it, for no other program does.
func TestPortOfAnotherTunnelOfTheProcessIsTold(t *testing.T) {
	copied := localOn("127.0.0.1", sshtest.FreePort(t), config.Endpoint{Host: "a", Port: 1})
	copied.Source = config.Source{File: "config", Line: 7}
	again := copied
	again.Source.Line = 12
	first := New(&config.Options{Forwards: []config.Forward{copied}}, nil, quiet())
	second := New(&config.Options{Forwards: []config.Forward{again}}, nil, quiet())
	defer first.Shutdown(t.Context())
	defer second.Shutdown(t.Context())
	change := NewSockets(nil).Begin()
	defer change.End()
	if err := change.Listen(t.Context(), first, second); err != nil {
		t.Fatal(err)
	}
	locals, _ := second.forwards()
	if hint, want := fault.HintOf(locals[0].failing()), Spec(copied)+" of this process (config:7) listens there"; !strings.Contains(hint, want) {
		t.Errorf("the hint is %q, want %q in it", hint, want)
	}
}

// A port below 1024 is for root of the server, whoever has it now: a web server is no rival that lets go.
func TestPortBelow1024NeedsRootThere(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	low := 1
	if l, err := net.Listen("tcp", "127.0.0.1:1023"); err == nil {
		defer l.Close()
		low = 1023
	}
	for _, c := range []struct {
		user  string
		port  int
		state ForwardState
		want  string
	}{
		{"bob", low, ForwardFailed, PrivilegedPort},
		{"bob", held.Addr().(*net.TCPAddr).Port, ForwardStandby, errHeld.Error()},
		{"root", 2, ForwardFailed, errNotPermitted.Error()},
	} {
		p := newPeer(t)
		p.OnListen = func(string, uint32) (uint32, bool) { return 0, false }
		listen := config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: c.port}
		tun := newTestTunnel(t, &config.Options{User: c.user, Forwards: []config.Forward{{Kind: config.Remote, Listen: listen, Target: target(t, echoBytes)}}})
		tun.Join(p.session(config.Echo{}))
		sshtest.Eventually(t, c.want, func() bool {
			f := tun.Forwards()[0]
			return f.LastError == c.want && f.State == c.state
		})
	}
}
