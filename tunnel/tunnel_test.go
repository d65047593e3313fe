package tunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func localTo(target config.Endpoint) config.Forward {
	return config.Forward{Kind: config.Local, Listen: anyPort(), Target: target}
}

func dialTo(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn.(*net.TCPConn)
}

// exchangeAll sends data, ends the sending direction and returns all that comes back.
func exchangeAll(t *testing.T, conn *net.TCPConn, data []byte) []byte {
	t.Helper()
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	back, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestLocalForwardCarriesAndHalfCloses(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localTo(target(t, echoBytes))}})
	tun.Join(p.session(config.Echo{}))
	data := bytes.Repeat([]byte("tunneld "), 1<<18)
	if back := exchangeAll(t, dialTo(t, tun.boundAt(0)), data); !bytes.Equal(back, data) {
		t.Fatalf("sent %d bytes, got %d back", len(data), len(back))
	}
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
	status := tun.Forwards()[0]
	if status.Total != 1 || status.BytesIn != uint64(len(data)) || status.BytesOut != uint64(len(data)) {
		t.Errorf("counted %+v", status)
	}
}

// A truncated transfer must look like an error to the client.
func TestOpenConnectionsAreResetWhenTheSessionBreaks(t *testing.T) {
	p := newPeer(t)
	goon := make(chan struct{})
	t.Cleanup(func() { close(goon) })
	far := target(t, func(conn *net.TCPConn) {
		conn.Write([]byte("part one"))
		<-goon
	})
	tun := newTestTunnel(t, &config.Options{Hold: 0, Forwards: []config.Forward{localTo(far)}})
	for _, end := range []struct {
		name string
		cut  func(*Session)
	}{
		{"network", func(*Session) { p.Cut() }},
		{"our own close", func(s *Session) { s.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			s := p.session(config.Echo{})
			tun.Join(s)
			defer tun.Leave(s)
			var conns []*net.TCPConn
			for range 20 {
				conn := dialTo(t, tun.boundAt(0))
				if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
					t.Fatal(err)
				}
				conns = append(conns, conn)
			}
			end.cut(s)
			for _, conn := range conns {
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client saw %v, want a reset", err)
				}
			}
		})
	}
}

func TestConnectionsWaitForASessionInOrder(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second, Forwards: []config.Forward{localTo(target(t, echoBytes))}})
	var wg sync.WaitGroup
	for range 200 {
		conn := dialTo(t, tun.boundAt(0))
		wg.Go(func() {
			if back := exchangeAll(t, conn, []byte("held")); string(back) != "held" {
				t.Errorf("got %q", back)
			}
		})
	}
	sshtest.Eventually(t, "200 held", func() bool { return tun.Forwards()[0].Held == 200 })
	tun.Join(p.session(config.Echo{}))
	wg.Wait()
	if status := tun.Forwards()[0]; status.Refused != 0 || status.Held != 0 {
		t.Errorf("counted %+v", status)
	}
}

func TestHoldTimeEnds(t *testing.T) {
	for _, hold := range []time.Duration{0, 20 * time.Millisecond} {
		tun := newTestTunnel(t, &config.Options{Hold: hold, Forwards: []config.Forward{localTo(config.Endpoint{Host: "x", Port: 1})}})
		conn, err := net.Dial("tcp", tun.boundAt(0))
		if err == nil { // else it was reset before we looked
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("hold %v: the client saw %v, want a reset", hold, err)
		}
	}
}

// A connection whose open was under way when the session died is served by the next.
func TestOpenIsRepeatedOnTheNextSession(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	opened := make(chan struct{}, 1)
	var deaf atomic.Bool
	deaf.Store(true)
	p.OnOpen = func(c ssh.NewChannel) {
		if deaf.Load() {
			opened <- struct{}{}
			return
		}
		sshtest.Connect(c)
	}
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second, Forwards: []config.Forward{localTo(far)}})
	first := p.session(config.Echo{})
	tun.Join(first)
	conn := dialTo(t, tun.boundAt(0))
	<-opened
	deaf.Store(false)
	p.Cut()
	<-first.Done()
	tun.Leave(first)
	tun.Join(p.session(config.Echo{}))
	if back := exchangeAll(t, conn, []byte("again")); string(back) != "again" {
		t.Errorf("got %q", back)
	}
}

// The library's OpenChannel can hang for ever when it races with the end of the connection.
func TestNoOpenHangsWhenTheSessionDies(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	p := newPeer(t)
	far := target(t, func(*net.TCPConn) {})
	for range rounds {
		s := p.session(config.Echo{})
		var wg sync.WaitGroup
		var opens atomic.Int64
		for range 16 {
			wg.Go(func() {
				kind, payload := openPayload(far, nil)
				for {
					ch, err := s.open(context.Background(), "far", kind, payload)
					if errors.Is(err, errSessionDown) {
						return
					}
					if err == nil {
						opens.Add(1)
						ch.Close()
					}
				}
			})
		}
		sshtest.Eventually(t, "opens under way", func() bool { return opens.Load() > 16 })
		p.Cut()
		wg.Wait()
	}
}

func TestCutsLeaveNothingBehind(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second, Forwards: []config.Forward{
		localTo(far),
		{Kind: config.Remote, Listen: config.Endpoint{}, Target: far},
	}})
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd: ", err)
		}
		return len(list)
	}
	cut := func() {
		s := p.session(config.Echo{})
		tun.Join(s)
		conn := dialTo(t, tun.boundAt(0))
		conn.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		p.Cut()
		<-s.Done()
		tun.Leave(s)
		conn.Close()
	}
	cut()
	var before int
	sshtest.Eventually(t, "quiet", func() bool { n := descriptors(); same := n == before; before = n; return same && tun.busy() == 0 })
	for range 100 {
		cut()
	}
	sshtest.Eventually(t, "the descriptors of before", func() bool { return descriptors() <= before })
	// Goroutines are counted by goleak when all tests have ended.
}

func TestFirstConnectionsThroughARemoteForwardAreServed(t *testing.T) {
	p := newPeer(t)
	var conns []net.Conn
	p.BeforeReply = func(address string) {
		for range 10 {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			conns = append(conns, conn)
		}
	}
	near := target(t, func(conn *net.TCPConn) { conn.Write([]byte("hello")) })
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Target: near}}})
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	for _, conn := range conns {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if got, err := io.ReadAll(conn); string(got) != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
		conn.Close()
	}
}

func TestRemoteForwardMovesToTheNextSession(t *testing.T) {
	p := newPeer(t)
	near := target(t, echoBytes)
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Target: near}}})
	listening := func() bool { return tun.Forwards()[0].State == ForwardListening }
	first, second := p.session(config.Echo{}), p.session(config.Echo{})
	tun.Join(first)
	sshtest.Eventually(t, "listening", listening)
	address := tun.Forwards()[0].Bound[0]
	open := dialTo(t, address)
	open.Write([]byte("a"))
	if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	tun.Join(second)
	retired := make(chan struct{})
	go func() {
		tun.Retire(t.Context(), first)
		close(retired)
	}()
	sshtest.Eventually(t, "moved", func() bool {
		entries, _ := second.listens.matching(func(*remoteListen) bool { return true })
		return len(entries) == 1 && listening()
	})
	if now := tun.Forwards()[0].Bound[0]; now != address {
		t.Errorf("listens on %s now, not on %s as before", now, address)
	}
	if back := exchangeAll(t, open, []byte("still here")); string(back) != "still here" {
		t.Errorf("the open connection got %q", back)
	}
	<-retired
	if back := exchangeAll(t, dialTo(t, tun.Forwards()[0].Bound[0]), []byte("new")); string(back) != "new" {
		t.Errorf("the new listener gave %q", back)
	}
}

func TestRefusedRemotePortIsAskedForAgain(t *testing.T) {
	p := newPeer(t)
	var asked atomic.Int64
	p.OnListen = func(string, uint32) (uint32, bool) { return 0, asked.Add(1) > 1 }
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Target: target(t, echoBytes)}}})
	s := p.session(config.Echo{})
	tun.Join(s)
	sshtest.Eventually(t, "failed", func() bool { return tun.Forwards()[0].State == ForwardFailed })
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	if s.Err() != nil {
		t.Errorf("the session ended: %v", s.Err())
	}
}

func TestExitOnForwardFailureEndsTheSession(t *testing.T) {
	p := newPeer(t)
	p.OnListen = func(string, uint32) (uint32, bool) { return 0, false }
	tun := newTestTunnel(t, &config.Options{ExitOnForwardFailure: true, Forwards: []config.Forward{{Kind: config.Remote, Target: target(t, echoBytes)}}})
	s := p.session(config.Echo{})
	tun.Join(s)
	<-s.Done()
	if fault.PhaseOf(s.Err()) != fault.PhaseForward || fault.IsPermanent(s.Err()) {
		t.Errorf("ended with %v", s.Err())
	}
}

// Under ExitOnForwardFailure a session in service was ended, with all connections on it, because another session of ours had died, or
// had been replaced, and the server had not let go of its port yet.
func TestExitOnForwardFailureSparesWhoServesAlready(t *testing.T) {
	for name, leave := range map[string]func(*Tunnel, *Session){
		"the other was replaced": func(tun *Tunnel, s *Session) {
			now, cancel := context.WithCancel(context.Background())
			cancel() // TunneldDrain 0
			tun.Retire(now, s)
		},
		"the other died": func(tun *Tunnel, s *Session) {
			s.Close()
			tun.Leave(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			var asked atomic.Int64
			p.OnListen = func(_ string, port uint32) (uint32, bool) { return port, asked.Add(1) != 2 }
			forward := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Port: sshtest.FreePort(t)}, Target: target(t, echoBytes)}
			tun := newTestTunnel(t, &config.Options{ExitOnForwardFailure: true, Forwards: []config.Forward{forward}})
			listens := func() bool { return tun.Forwards()[0].State == ForwardListening }
			first, second := p.session(config.Echo{}), p.session(config.Echo{})
			tun.Join(first)
			sshtest.Eventually(t, "listening", listens)
			tun.Join(second)
			leave(tun, first)
			sshtest.Eventually(t, "refused", func() bool { return asked.Load() > 1 })
			sshtest.Eventually(t, "listening again, or ended", func() bool { return second.broken() || listens() && asked.Load() > 2 })
			if second.broken() {
				t.Errorf("it was ended: %v", second.Err())
			}
		})
	}
}

func TestEcho(t *testing.T) {
	p := newPeer(t)
	service := target(t, echoBytes)
	for _, way := range []config.Echo{{Mode: config.EchoAuto}, {Mode: config.EchoService, Port: service.Port}} {
		s := p.session(way)
		for range 3 {
			if rtt, err := s.Echo(t.Context()); err != nil || rtt <= 0 {
				t.Errorf("%v: %v, %v", way, rtt, err)
			}
		}
		s.Close()
	}
	p.OnListen = func(string, uint32) (uint32, bool) { return 0, false }
	s := p.session(config.Echo{Mode: config.EchoAuto})
	defer s.Close()
	if _, err := s.Echo(t.Context()); !errors.Is(err, ErrEchoUnavailable) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("refused listener: %v", err)
	}
}

func TestPortInUseIsPermanent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := config.Endpoint{Port: l.Addr().(*net.TCPAddr).Port}
	forwards := []config.Forward{localTo(config.Endpoint{Host: "x", Port: 1}), {Kind: config.Dynamic, Listen: taken}}
	tun := New(&config.Options{ExitOnForwardFailure: true, Forwards: forwards}, nil, quiet())
	err = tun.Listen(t.Context(), nil)
	if fault.PhaseOf(err) != fault.PhaseListen || !fault.IsPermanent(err) || fault.HintOf(err) == "" || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
}

func TestReloadChangesOnlyWhatDiffers(t *testing.T) {
	p := newPeer(t)
	old, other := target(t, echoBytes), target(t, func(conn *net.TCPConn) { conn.Write([]byte("other")) })
	fixed := func(listen string) config.Endpoint {
		return config.Endpoint{Path: t.TempDir() + "/" + listen}
	}
	keep, retarget, gone, fresh := fixed("keep"), fixed("retarget"), fixed("gone"), fixed("new")
	forward := func(listen, target config.Endpoint) config.Forward {
		return config.Forward{Kind: config.Local, Listen: listen, Target: target}
	}
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, StreamLocalBindMask: 0o177,
		Forwards: []config.Forward{forward(keep, old), forward(retarget, old), forward(gone, old)}})
	tun.Join(p.session(config.Echo{}))
	open := map[string]net.Conn{}
	for _, at := range []config.Endpoint{keep, retarget, gone} {
		conn, err := net.Dial("unix", at.Path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open[at.Path] = conn
		conn.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	err := tun.Reload(t.Context(), &config.Options{Hold: time.Second, Forwards: []config.Forward{forward(keep, old), forward(retarget, other), forward(fresh, other)}})
	if err != nil {
		t.Fatal(err)
	}
	for path, conn := range open {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		conn.Write([]byte("x"))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Errorf("%s: the open connection did not go on: %v", path, err)
		}
	}
	if _, err := net.Dial("unix", gone.Path); err == nil {
		t.Error("the forward that is gone still listens")
	}
	for _, at := range []config.Endpoint{retarget, fresh} {
		conn, err := net.Dial("unix", at.Path)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(conn); string(got) != "other" {
			t.Errorf("%s: got %q", at.Path, got)
		}
	}
	if err := tun.Reload(t.Context(), &config.Options{Forwards: []config.Forward{{Kind: config.Local, Listen: config.Endpoint{Path: t.TempDir()}}}}); fault.PhaseOf(err) != fault.PhaseListen {
		t.Errorf("a listener that cannot be bound: %v", err)
	}
	if len(tun.Forwards()) != 3 {
		t.Errorf("the failed reload left %v", tun.Forwards())
	}
}

// A port that somebody else holds is named as such, and asked for again the moment the holder lets go.
func TestHeldRemotePort(t *testing.T) {
	p := newPeer(t)
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := stranger.Addr().(*net.TCPAddr).Port
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			conn, err := stranger.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	listen := config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: port}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Listen: listen, Target: target(t, echoBytes)}}})
	s := p.session(config.Echo{})
	tun.Join(s)
	sshtest.Eventually(t, "held", func() bool { return tun.Forwards()[0].LastError == errHeld.Error() })
	watch := <-accepted
	stranger.Close()
	watch.Close()
	began := time.Now()
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	t.Logf("bound %v after the holder let go", time.Since(began))
	if back := exchangeAll(t, dialTo(t, tun.Forwards()[0].Bound[0]), []byte("mine")); string(back) != "mine" || s.Err() != nil {
		t.Errorf("got %q; session %v", back, s.Err())
	}
	sshtest.Eventually(t, "no watch left", func() bool { return s.Open() == 0 })
}

func TestRemotePortThatTheServerForbids(t *testing.T) {
	p := newPeer(t)
	p.OnListen = func(string, uint32) (uint32, bool) { return 0, false }
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	listen := config.Endpoint{Host: "127.0.0.1", HostSet: true, Port: free.Addr().(*net.TCPAddr).Port}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{{Kind: config.Remote, Listen: listen, Target: target(t, echoBytes)}}})
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "forbidden", func() bool { return tun.Forwards()[0].LastError == errNotPermitted.Error() })
}
