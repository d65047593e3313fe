package tunnel

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/limit"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// retiring begins to retire s, and returns where the end shows.
func retiring(t *testing.T, tun *Tunnel, s *Session) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- tun.Retire(t.Context(), s) }()
	sshtest.Eventually(t, "the session takes no new work", func() bool {
		select {
		case <-s.leaving:
			return true
		default:
			return false
		}
	})
	return ended
}

func notEnded(t *testing.T, retired <-chan error) {
	t.Helper()
	select {
	case err := <-retired:
		t.Fatalf("the session has been closed already (%v)", err)
	case <-time.After(20 * time.Millisecond):
	}
}

func endedWell(t *testing.T, retired <-chan error) {
	t.Helper()
	select {
	case err := <-retired:
		if err != nil {
			t.Errorf("connections were cut: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the session was not closed within 10 s")
	}
}

// The server has closed the channel, and its whole answer is here; the client takes its time to read it.
func TestRetireWaitsForAClientThatStillReads(t *testing.T) {
	const size = 3 << 19 // more than a Unix socket holds, and less than the window of a channel
	answer := bytes.Repeat([]byte("tunneld "), size/8)
	p := newPeer(t)
	far := target(t, func(conn *net.TCPConn) {
		io.Copy(io.Discard, conn)
		conn.Write(answer)
	})
	forward := localTo(far)
	forward.Listen = config.Endpoint{Path: filepath.Join(t.TempDir(), "s")}
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{forward}})
	s := p.session(config.Echo{})
	tun.Join(s)
	conn, err := net.Dial("unix", forward.Listen.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	conn.(*net.UnixConn).CloseWrite()
	sshtest.Eventually(t, "the answer is here", func() bool { in, _ := s.Counts(); return in > size })
	if _, err := s.Keepalive(t.Context()); err != nil { // what came before the answer to this has been taken note of
		t.Fatal(err)
	}
	retired := retiring(t, tun, s)
	notEnded(t, retired)
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("got %d of %d bytes, then %v", len(got), size, err)
	}
	endedWell(t, retired)
}

// The open is on its way when the session is retired; the server answers it later.
func TestRetireWaitsForAnOpenOnItsWay(t *testing.T) {
	p := newPeer(t)
	came, answer := make(chan struct{}), make(chan struct{})
	p.OnOpen = func(c ssh.NewChannel) {
		close(came)
		<-answer
		sshtest.Connect(c)
	}
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localTo(target(t, echoBytes))}})
	s := p.session(config.Echo{})
	tun.Join(s)
	conn := dialTo(t, tun.boundAt(0))
	<-came
	retired := retiring(t, tun, s)
	notEnded(t, retired)
	close(answer)
	if back := exchangeAll(t, conn, []byte("kept")); string(back) != "kept" {
		t.Errorf("got %q", back)
	}
	endedWell(t, retired)
}

// A connection has chosen its session and has not asked anything of it when the session is retired.
func TestRetireWaitsForAPlaceThatIsTaken(t *testing.T) {
	for _, way := range []string{"at once", "held"} {
		t.Run(way, func(t *testing.T) {
			p := newPeer(t)
			tun := newTestTunnel(t, &config.Options{Hold: 10 * time.Second, Forwards: []config.Forward{localTo(anyPort())}})
			s := p.session(config.Echo{})
			places := make(chan *place, 1)
			take := func() {
				taken, err := tun.pool.hold(t.Context(), caller{number: tun.pool.arrive(), forward: "test", count: new(counter)}, time.Minute, func() {})
				if err != nil {
					t.Error(err)
				}
				places <- taken
			}
			if way == "held" {
				go take()
				sshtest.Eventually(t, "it waits", func() bool { tun.pool.mu.Lock(); defer tun.pool.mu.Unlock(); return len(tun.pool.queue) == 1 })
				tun.Join(s)
			} else {
				tun.Join(s)
				take()
			}
			mine := <-places
			retired := retiring(t, tun, s)
			notEnded(t, retired)
			far := target(t, echoBytes)
			kind, payload := openPayload(far, nil)
			ch, err := mine.open(t.Context(), "far", kind, payload)
			if err != nil {
				t.Fatal(err)
			}
			ch.Close()
			endedWell(t, retired)
		})
	}
}

// An open that the server does not answer before its session is cut is asked for again on the next one.
func TestOpenThatIsCutIsDialledAgain(t *testing.T) {
	p, next := newPeer(t), newPeer(t)
	came, never := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(never) })
	p.OnOpen = func(ssh.NewChannel) { close(came); <-never }
	tun := newTestTunnel(t, &config.Options{Hold: 5 * time.Second, Forwards: []config.Forward{localTo(target(t, echoBytes))}})
	s := p.session(config.Echo{})
	tun.Join(s)
	conn := dialTo(t, tun.boundAt(0))
	<-came
	tun.Join(next.session(config.Echo{}))
	ctx, cut := context.WithCancel(t.Context())
	cut()
	if err := tun.Retire(ctx, s); err == nil {
		t.Error("nothing was cut")
	}
	if back := exchangeAll(t, conn, []byte("again")); string(back) != "again" {
		t.Errorf("got %q", back)
	}
}

// The server opens connections right before it answers the request to stop listening.
func TestRetireWaitsForConnectionsThatCameLast(t *testing.T) {
	for range 20 { // each has one chance in two that the serving loop sees the connections before it is asked about them
		answer := make(chan struct{})
		chans := make(chan ssh.NewChannel, 16)
		for range cap(chans) {
			chans <- lateArrival{}
		}
		s := &Session{
			link: &sshconn.Conn{Chans: chans}, arrived: limit.NewQuota(maxForwarded),
			settling: make(chan chan<- struct{}), done: make(chan struct{}),
		}
		s.listens.add(&remoteListen{known: answer})
		settled := make(chan error, 1)
		go func() { settled <- s.settle(t.Context()) }()
		sshtest.Eventually(t, "somebody asks", func() bool { return bytes.Contains(stacks(), []byte(").settle(")) })
		s.run(func() { s.serve(t.Context()) })
		if err := <-settled; err != nil {
			t.Error(err)
		}
		if open := s.Open(); open != cap(chans) {
			t.Errorf("%d connections count %d", cap(chans), open)
		}
		close(answer)
		close(chans)
		s.running.wait(t.Context())
	}
}

// stacks returns what all goroutines do.
func stacks() []byte {
	text := make([]byte, 1<<20)
	return text[:runtime.Stack(text, true)]
}

// lateArrival is a connection to a listener that the server has not told us of, yet.
type lateArrival struct{}

func (lateArrival) ChannelType() string { return "forwarded-tcpip" }
func (lateArrival) ExtraData() []byte {
	return sshconn.MarshalTCPOpen("localhost", 1, "127.0.0.1", 1)
}

func (lateArrival) Accept() (ssh.Channel, <-chan *ssh.Request, error) { return nil, nil, io.EOF }
func (lateArrival) Reject(ssh.RejectionReason, string) error          { return nil }

// A connection counts once on its session, whoever opened it.
func TestConnectionCountsOnce(t *testing.T) {
	p := newPeer(t)
	far := target(t, echoBytes)
	remote := config.Forward{Kind: config.Remote, Listen: config.Endpoint{Host: "127.0.0.1", HostSet: true}, Target: far}
	tun := newTestTunnel(t, &config.Options{Hold: time.Second, Forwards: []config.Forward{localTo(far), remote}})
	s := p.session(config.Echo{})
	tun.Join(s)
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[1].State == ForwardListening })
	open := 0
	var conns []net.Conn
	for _, address := range []string{tun.boundAt(0), tun.Forwards()[1].Bound[0]} {
		conn := dialTo(t, address)
		conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if open++; s.Open() != open {
			t.Errorf("%d connections count %d", open, s.Open())
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Close()
	}
	sshtest.Eventually(t, "nothing open", func() bool { return s.Open() == 0 })
}

// When a session has been shut down, nothing of it runs any more, nor of the connections that it carried.
func TestShutdownWaitsForTheSession(t *testing.T) {
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(target(t, echoBytes))}})
	s := p.session(config.Echo{})
	tun.Join(s)
	idle := s.running.count()
	conn := dialTo(t, tun.boundAt(0))
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if n := s.running.count(); n <= idle {
		t.Errorf("%d goroutines with a connection, %d without", n, idle)
	}
	tun.Close()
	if n := s.running.count(); n != 0 {
		t.Errorf("%d goroutines are left", n)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
