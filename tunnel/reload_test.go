package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// says is a target that says a word to whoever comes.
func says(t *testing.T, word string) config.Endpoint {
	return target(t, func(conn *net.TCPConn) { io.WriteString(conn, word) })
}

// heardAt returns what whoever connects hears.
func heardAt(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	text, _ := io.ReadAll(conn)
	return string(text)
}

func localAt(port int, target config.Endpoint) config.Forward {
	return config.Forward{Kind: config.Local, Listen: config.Endpoint{Port: port}, Target: target}
}

func localOn(host string, port int, target config.Endpoint) config.Forward {
	return config.Forward{Kind: config.Local, Listen: config.Endpoint{Host: host, HostSet: true, Port: port}, Target: target}
}

func reload(t *testing.T, tun *Tunnel, o config.Options, forwards ...config.Forward) error {
	t.Helper()
	o.Hold, o.Forwards = time.Second, forwards
	return tun.Reload(t.Context(), &o)
}

func TestReloadKeepsEachPortThatTheServerChose(t *testing.T) {
	p := newPeer(t)
	remote := func(target config.Endpoint) config.Forward {
		return config.Forward{Kind: config.Remote, Listen: anyPort(), Target: target}
	}
	a, b, c := remote(says(t, "a")), remote(says(t, "b")), remote(says(t, "c"))
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{a, b}})
	tun.Join(p.session(config.Echo{}))
	listening := func() (bound []string) {
		sshtest.Eventually(t, "all listen", func() bool {
			bound = nil
			for _, f := range tun.Forwards() {
				bound = append(bound, f.Bound...)
			}
			return len(bound) == len(tun.Forwards())
		})
		return bound
	}
	before := listening()
	for _, step := range []struct {
		forwards []config.Forward
		places   []string // where each listens; empty: somewhere new
		says     []string
	}{
		{[]config.Forward{a, b}, before, []string{"a", "b"}},
		{[]config.Forward{b, a}, []string{before[1], before[0]}, []string{"b", "a"}},
		{[]config.Forward{a, b, c}, []string{before[0], before[1], ""}, []string{"a", "b", "c"}},
		{[]config.Forward{b}, before[1:], []string{"b"}},
		{[]config.Forward{c}, before[1:], []string{"c"}},
	} {
		if err := reload(t, tun, config.Options{}, step.forwards...); err != nil {
			t.Fatal(err)
		}
		now := listening()
		for i, want := range step.places {
			if want != "" && now[i] != want {
				t.Errorf("the forward to %s listens on %s, before it was %s", step.says[i], now[i], want)
			}
			if got := heardAt(t, now[i]); got != step.says[i] {
				t.Errorf("%s leads to %q, want %q", now[i], got, step.says[i])
			}
		}
	}
}

func TestForwardsAreMatchedOneToOne(t *testing.T) {
	r := func(port, target int) config.Forward {
		return config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: port}, Target: config.Endpoint{Host: "x", Port: target}}
	}
	for _, c := range []struct {
		have, want []config.Forward
		match      []int
	}{
		{[]config.Forward{r(0, 1), r(0, 2)}, []config.Forward{r(0, 1), r(0, 2)}, []int{0, 1}},
		{[]config.Forward{r(0, 1), r(0, 2)}, []config.Forward{r(0, 2), r(0, 3)}, []int{1, 0}},
		{[]config.Forward{r(0, 1), r(0, 1)}, []config.Forward{r(0, 1), r(0, 1), r(0, 1)}, []int{0, 1, -1}},
		{[]config.Forward{r(0, 1)}, []config.Forward{r(5, 1)}, []int{-1}},
		{nil, []config.Forward{r(0, 1)}, []int{-1}},
	} {
		if got := matchForwards(c.have, c.want); !slices.Equal(got, c.match) {
			t.Errorf("%v to %v: got %v, want %v", c.have, c.want, got, c.match)
		}
	}
}

// Another bind address, another kind, GatewayPorts: the listener of before is our own.
func TestReloadMovesAForwardOnItsOwnPort(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	far := says(t, "far")
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localAt(port, far)}})
	tun.Join(p.session(config.Echo{}))
	at := func(host string) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	loopbacks, everywhere := []string{at("127.0.0.1"), at("::1")}, []string{at("0.0.0.0"), at("::")}
	dynamic := config.Forward{Kind: config.Dynamic, Listen: config.Endpoint{Port: port}}
	for _, step := range []struct {
		name    string
		options config.Options
		forward config.Forward
		bound   []string
	}{
		{"localhost", config.Options{}, localOn("localhost", port, far), loopbacks},
		{"every interface", config.Options{}, localOn("*", port, far), everywhere},
		{"a proxy", config.Options{}, dynamic, loopbacks},
		{"GatewayPorts yes, a forward", config.Options{GatewayPorts: true}, localAt(port, far), everywhere},
		{"GatewayPorts no", config.Options{}, localAt(port, far), loopbacks},
		{"GatewayPorts yes", config.Options{GatewayPorts: true}, localAt(port, far), everywhere},
		{"AddressFamily inet", config.Options{GatewayPorts: true, AddressFamily: config.IPv4}, localAt(port, far), everywhere[:1]},
		{"one address", config.Options{}, localOn("127.0.0.1", port, far), loopbacks[:1]},
	} {
		if err := reload(t, tun, step.options, step.forward); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		status := tun.Forwards()[0]
		slices.Sort(status.Bound)
		slices.Sort(step.bound)
		if hasIPv6 := slices.ContainsFunc(status.Bound, func(a string) bool { return strings.HasPrefix(a, "[") }); !hasIPv6 {
			step.bound = slices.DeleteFunc(slices.Clone(step.bound), func(a string) bool { return strings.HasPrefix(a, "[") && len(step.bound) > 1 })
		}
		if !slices.Equal(status.Bound, step.bound) || status.State != ForwardListening {
			t.Errorf("%s: %s on %v, want %v", step.name, status.State, status.Bound, step.bound)
		}
		if step.forward.Kind != config.Local {
			continue
		}
		if got := heardAt(t, at("127.0.0.1")); got != "far" {
			t.Errorf("%s: a client heard %q", step.name, got)
		}
	}
}

// dnsOn is a TunneldDNS at host.
func dnsOn(host string, port int) config.Forward {
	f := localOn(host, port, config.Endpoint{Host: "127.0.0.1", Port: 53})
	f.Kind = config.DNS
	return f
}

// TunneldDNS listens on two ports of the same number, and both are its own.
func TestReloadMovesDNSOnItsOwnPorts(t *testing.T) {
	port := sshtest.FreePort(t)
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{dnsOn("127.0.0.1", port)}})
	for _, host := range []string{"0.0.0.0", "127.0.0.1"} {
		if err := reload(t, tun, config.Options{}, dnsOn(host, port)); err != nil {
			t.Fatalf("%v, %s", err, fault.HintOf(err))
		}
		expectDNS(t, tun, net.JoinHostPort(host, strconv.Itoa(port)))
	}
}

// expectDNS wants the only forward to answer at an address.
func expectDNS(t *testing.T, tun *Tunnel, address string) {
	t.Helper()
	f := tun.Forwards()[0]
	slices.Sort(f.Bound)
	if !slices.Equal(f.Bound, []string{address, address + "/udp"}) || f.State != ForwardListening {
		t.Errorf("%s on %v, want %s", f.State, f.Bound, address)
	}
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	query, answer := []byte("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"), make([]byte, 512)
	if _, err := conn.Write(query); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(answer); err != nil || n != len(query) || answer[0] != query[0] || answer[1] != query[1] {
		t.Errorf("got %x, %v", answer[:n], err)
	}
}

// What had to be closed for a reload that then fails is there again, of UDP as well.
func TestReloadOfDNSThatFailsPutsBackWhatItClosed(t *testing.T) {
	port := sshtest.FreePort(t)
	stranger, err := net.ListenPacket("udp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port)))
	if err != nil {
		t.Skip(err)
	}
	defer stranger.Close()
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{dnsOn("127.0.0.1", port)}})
	if err := reload(t, tun, config.Options{}, dnsOn("0.0.0.0", port)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
	expectDNS(t, tun, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// Where the address stays, the socket does: nobody is refused or reset while forwards go to and fro.
func TestReloadLosesNoClientOfAnAddressThatStays(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	far := says(t, "far")
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localAt(port, far)}})
	tun.Join(p.session(config.Echo{}))
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	over := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if got := heardAt(t, address); got != "far" {
					t.Errorf("a client heard %q", got)
					return
				}
			}
		})
	}
	other := localAt(sshtest.FreePort(t), far)
	for range 30 {
		for _, forwards := range [][]config.Forward{{localOn("localhost", port, far)}, {other, localOn("127.0.0.1", port, far)}, {localAt(port, far)}} {
			if err := reload(t, tun, config.Options{}, forwards...); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(over)
	clients.Wait()
}

// What had to be closed for a reload that then fails is there again.
func TestReloadThatFailsPutsBackWhatItClosed(t *testing.T) {
	p := newPeer(t)
	port, inTheWay := sshtest.FreePort(t), sshtest.FreePort(t)
	stranger, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(inTheWay)))
	if err != nil {
		t.Skip(err)
	}
	defer stranger.Close()
	far := says(t, "far")
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localOn("127.0.0.1", port, far), localOn("127.0.0.1", inTheWay, far)}})
	tun.Join(p.session(config.Echo{}))
	before := tun.Forwards()
	err = reload(t, tun, config.Options{AddressFamily: config.IPv4}, localOn("*", port, far), localOn("*", inTheWay, far))
	if !errors.Is(err, syscall.EADDRINUSE) || fault.PhaseOf(err) != fault.PhaseListen {
		t.Fatalf("got %v", err)
	}
	for i, f := range tun.Forwards() {
		if !slices.Equal(f.Bound, before[i].Bound) || f.State != ForwardListening {
			t.Errorf("%s: %s on %v, want as before: %v", f.Spec, f.State, f.Bound, before[i].Bound)
		}
		if got := heardAt(t, f.Bound[0]); got != "far" {
			t.Errorf("%s: a client heard %q", f.Spec, got)
		}
	}
}

func TestPortGoesFromOneTunnelToAnother(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	sockets := NewSockets(nil)
	one, two := says(t, "one"), says(t, "two")
	start := func(f config.Forward) *Tunnel {
		tun := New(&config.Options{Hold: time.Second, Forwards: []config.Forward{f}}, nil, quiet())
		if err := tun.Listen(t.Context(), sockets); err != nil {
			t.Fatal(err)
		}
		tun.Join(p.session(config.Echo{}))
		t.Cleanup(func() { tun.Shutdown(context.Background()) })
		return tun
	}
	a, b := start(localAt(port, one)), start(localAt(sshtest.FreePort(t), two))
	c := sockets.Begin()
	c.Plan(t.Context(), b, &config.Options{Hold: time.Second, Forwards: []config.Forward{localAt(port, two)}})
	c.Plan(t.Context(), a, &config.Options{Hold: time.Second, Forwards: []config.Forward{localAt(sshtest.FreePort(t), one)}})
	for _, tun := range []*Tunnel{b, a} {
		if err := c.Reload(t.Context(), tun); err != nil {
			t.Error(err)
		}
	}
	c.End()
	if got := heardAt(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); got != "two" {
		t.Errorf("the port leads to %q", got)
	}
	if got := heardAt(t, a.Forwards()[0].Bound[0]); got != "one" {
		t.Errorf("the other leads to %q", got)
	}
}

// A reload while a tunnel drains must not leave a listener that nobody serves.
func TestReloadDuringShutdownBindsNothing(t *testing.T) {
	p := newPeer(t)
	port := sshtest.FreePort(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localAt(port, target(t, echoBytes))}})
	tun.Join(p.session(config.Echo{}))
	conn := dialTo(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	conn.Write([]byte("x"))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tun.Shutdown(t.Context())
	}()
	sshtest.Eventually(t, "it drains", func() bool { return len(tun.Forwards()) == 0 })
	if err := reload(t, tun, config.Options{}, localAt(port, says(t, "far"))); !errors.Is(err, ErrStopped) {
		t.Errorf("got %v", err)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
		conn.Close()
		t.Error("somebody listens")
	}
	conn.Close()
	<-ended
}
