package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshconn"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A server that answers no requests cannot prove that an end is real. Its transfers must neither hang nor all be reset.
func TestEndsOfServerThatAnswersNothing(t *testing.T) {
	p := newPeer(t)
	p.Mute = true
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(target(t, func(conn *net.TCPConn) {
		io.WriteString(conn, "all of it")
	}))}})
	s := p.session(config.Echo{Mode: config.EchoOff})
	s.proofs.patience = 100 * time.Millisecond
	tun.Join(s)
	for range 2 {
		conn := dialTo(t, tun.boundAt(0))
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if got, err := io.ReadAll(conn); err != nil || string(got) != "all of it" {
			t.Errorf("got %q, %v", got, err)
		}
		conn.Close()
	}
}

// Many channels that end at once share a few questions.
func TestProofsAreShared(t *testing.T) {
	p := newPeer(t)
	var asked atomic.Int32
	p.OnRequest = func(*ssh.Request) { asked.Add(1) }
	s := p.session(config.Echo{Mode: config.EchoOff})
	defer s.Close()
	var waiting sync.WaitGroup
	start := make(chan struct{})
	for range 1000 {
		waiting.Go(func() {
			<-start
			if !s.lives(t.Context()) {
				t.Error("no proof from a session that lives")
			}
		})
	}
	close(start)
	waiting.Wait()
	if n := asked.Load(); n > 500 {
		t.Errorf("%d questions for 1000 channels", n)
	}
	s.Close()
	if s.lives(t.Context()) {
		t.Error("a session that was closed has proven that it lives")
	}
}

// Where channels are asked for all the time nobody asks for a proof besides: an answer to somebody who asked for a channel after an
// end is one. An answer to somebody who had asked before is none.
func TestOpensAreProofs(t *testing.T) {
	p := newPeer(t)
	var asked atomic.Int32
	p.OnRequest = func(*ssh.Request) { asked.Add(1) }
	s := p.session(config.Echo{Mode: config.EchoOff})
	defer s.Close()
	s.proofs.tarry = time.Minute
	lives := make(chan bool)
	wait := func() {
		go func() { lives <- s.livesUnhurried(t.Context()) }()
		sshtest.Eventually(t, "somebody waits", func() bool {
			s.proofs.mu.Lock()
			defer s.proofs.mu.Unlock()
			return len(s.proofs.waiting) > 0
		})
	}
	expected := func(reason string) {
		t.Helper()
		select {
		case ok := <-lives:
			if !ok {
				t.Error("no proof from a session that lives, ", reason)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no proof ", reason)
		}
	}
	soon := func() { // what is asked for now is expected to be asked for again
		s.proofs.mu.Lock()
		s.proofs.opened = time.Now().Add(time.Hour)
		s.proofs.mu.Unlock()
	}
	open := func() {
		kind, payload := openPayload(target(t, echoBytes), nil)
		ch, err := s.open(t.Context(), "x", kind, payload)
		if err != nil {
			t.Fatal(err)
		}
		ch.Close()
	}
	before := s.proofs.opening()
	soon()
	wait()
	s.proofs.openAnswered(before)
	select {
	case <-lives:
		t.Error("an answer to somebody who had asked before the end is taken for a proof")
	case <-time.After(50 * time.Millisecond):
	}
	open()
	expected("after a channel was opened")
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions", n)
	}
	soon()
	wait()
	if !s.lives(t.Context()) { // is in a hurry
		t.Error("no proof from a session that lives")
	}
	expected("after somebody in a hurry came")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d questions, want 1", n)
	}
	soon()
	wait()
	s.Close()
	if <-lives {
		t.Error("a session that was closed has proven that it lives")
	}
}

// stuckConn is an SSH connection of a library none of whose calls comes back before release.
type stuckConn struct {
	ssh.Conn
	release <-chan struct{}
	channel bool // opens channels, which are stuck
}

func (c stuckConn) Wait() error { <-c.release; return io.EOF }

func (c stuckConn) SendRequest(string, bool, []byte) (bool, []byte, error) {
	<-c.release
	return false, nil, io.EOF
}

func (c stuckConn) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	if !c.channel {
		<-c.release
		return nil, nil, io.EOF
	}
	requests := make(chan *ssh.Request)
	context.AfterFunc(afterRelease(c.release), func() { close(requests) })
	return stuckChannel{nil, c.release}, requests, nil
}

func afterRelease(release <-chan struct{}) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-release
		cancel()
	}()
	return ctx
}

type stuckChannel struct {
	ssh.Channel
	release <-chan struct{}
}

func (c stuckChannel) Read([]byte) (int, error)  { <-c.release; return 0, io.EOF }
func (c stuckChannel) Write([]byte) (int, error) { <-c.release; return 0, io.EOF }
func (c stuckChannel) Close() error              { <-c.release; return io.EOF }
func (c stuckChannel) CloseWrite() error         { <-c.release; return io.EOF }
func (c stuckChannel) Stderr() io.ReadWriter     { return c }

// Whatever the library does, the end of a session resets its clients, and the tunnel can be shut down: a key exchange that
// stalled left clients hanging and a process that TERM did not end.
func TestStuckLibraryHoldsNobodyUp(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*Tunnel, *Session)
	}{
		{"Session.Close", func(_ *Tunnel, s *Session) { s.Close() }},
		{"Shutdown", func(tun *Tunnel, _ *Session) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			tun.Shutdown(ctx)
		}},
		{"Close", func(tun *Tunnel, _ *Session) { tun.Close() }},
		{"Retire", func(tun *Tunnel, s *Session) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			tun.Retire(ctx, s)
		}},
		{"Shutdown while it retires", func(tun *Tunnel, s *Session) {
			tun.Leave(s)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			tun.Shutdown(ctx)
		}},
	} {
		for _, early := range []bool{false, true} { // before the channel is open
			t.Run(fmt.Sprintf("%s, early %t", c.name, early), func(t *testing.T) {
				t.Parallel()
				release := make(chan struct{})
				w := sshconn.NewWire(idlePipe(t))
				chans, reqs := make(chan ssh.NewChannel), make(chan *ssh.Request)
				l := &sshconn.Conn{Conn: stuckConn{release: release, channel: !early}, Wire: w, Chans: chans, Reqs: reqs}
				l.Guard()
				tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(config.Endpoint{Host: "x", HostSet: true, Port: 1})}})
				s := newSession(t.Context(), l, config.Echo{Mode: config.EchoOff}, quiet())
				tun.Join(s)
				conn := dialTo(t, tun.boundAt(0))
				if _, err := conn.Write(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
				sshtest.Eventually(t, "the connection is served", func() bool { return tun.busy() > 0 })
				ended := make(chan struct{})
				go func() {
					c.end(tun, s)
					close(ended)
				}()
				conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) || os.IsTimeout(err) {
					if !early { // who waits for an open may be held for the next session
						t.Errorf("%s: the client got %v, want a reset", c.name, err)
					}
				}
				select {
				case <-ended:
				case <-time.After(10 * time.Second):
					t.Errorf("%s waits for the library", c.name)
				}
				conn.Close()
				s.Close()
				close(release)
				close(chans)
				close(reqs)
			})
		}
	}
}
