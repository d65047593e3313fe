package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// shellPeer is a peer whose sessions are served by serve, once a command has been asked for. It ends the channel afterwards.
func shellPeer(t *testing.T, serve func(command string, ch ssh.Channel)) *peer {
	p := newPeer(t)
	p.OnOpen = func(c ssh.NewChannel) {
		if c.ChannelType() != "session" {
			c.Reject(ssh.UnknownChannelType, "")
			return
		}
		ch, requests, err := c.Accept()
		if err != nil {
			return
		}
		defer ch.Close()
		for r := range requests {
			r.Reply(r.Type == "exec", nil)
			if r.Type == "exec" {
				go ssh.DiscardRequests(requests)
				var want struct{ Command string }
				ssh.Unmarshal(r.Payload, &want)
				serve(want.Command, ch)
				return
			}
		}
	}
	return p
}

func exit(ch ssh.Channel, status uint32) {
	ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

func tempFile(t *testing.T, data []byte) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.Write(data)
	f.Seek(0, io.SeekStart)
	return f
}

func TestSessionCarriesAndCounts(t *testing.T) {
	p := shellPeer(t, func(_ string, ch ssh.Channel) {
		io.Copy(ch, ch)
		io.WriteString(ch.Stderr(), "done")
		exit(ch, 7)
	})
	s := p.session(config.Echo{})
	defer s.Close()
	data := bytes.Repeat([]byte("tunneld "), 1<<18)
	in, out, stderr := tempFile(t, data), tempFile(t, nil), tempFile(t, nil)
	result, err := interactive.Run(t.Context(), s.OpenSession, interactive.Request{Command: "cat"}, interactive.Files{In: in, Out: out, Err: stderr})
	if err != nil || result.Status != 7 {
		t.Errorf("ended with %+v, %v", result, err)
	}
	if got, _ := os.ReadFile(out.Name()); !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back", len(got))
	}
	if got, _ := os.ReadFile(stderr.Name()); string(got) != "done" {
		t.Errorf("stderr has %q", got)
	}
	if s.Carried() != uint64(2*len(data)+4) || s.Commands() != 0 {
		t.Errorf("carried %d bytes, %d commands", s.Carried(), s.Commands())
	}
	sshtest.Eventually(t, "no place is taken", func() bool { return s.Open() == 0 })
}

// A replacement waits for a session, however quiet it is, and a connection that ends ends it.
func TestSessionHoldsItsConnection(t *testing.T) {
	goOn := make(chan struct{})
	p := shellPeer(t, func(_ string, ch ssh.Channel) {
		<-goOn
		exit(ch, 0)
	})
	tun := newTestTunnel(t, &config.Options{})
	s := p.session(config.Echo{})
	tun.Join(s)
	ended := make(chan error, 1)
	go func() {
		_, err := interactive.Run(t.Context(), tun.OpenSession, interactive.Request{Command: "sleep"}, interactive.Files{})
		ended <- err
	}()
	sshtest.Eventually(t, "the session", func() bool { return s.Open() == 1 && s.Commands() == 1 && tun.busy() == 1 })
	retired := make(chan error, 1)
	go func() { retired <- tun.Retire(t.Context(), s) }()
	select {
	case err := <-retired:
		t.Fatalf("retired with a session on it: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-retired; err != nil {
		t.Error(err)
	}
}

func TestSessionEndsWithItsConnection(t *testing.T) {
	for _, end := range []struct {
		name string
		do   func(*peer, *Session)
	}{
		{"cut", func(p *peer, _ *Session) { p.Cut() }},
		{"closed", func(_ *peer, s *Session) { s.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			began, goOn := make(chan struct{}), make(chan struct{})
			defer close(goOn)
			p := shellPeer(t, func(_ string, ch ssh.Channel) {
				exit(ch, 0) // which is not the end: more output was to come
				close(began)
				<-goOn
			})
			s := p.session(config.Echo{})
			go func() {
				<-began
				end.do(p, s)
			}()
			result, err := interactive.Run(t.Context(), s.OpenSession, interactive.Request{Command: "x"}, interactive.Files{})
			if !errors.Is(err, interactive.ErrLost) || result.Status != interactive.StatusNone {
				t.Errorf("ended with %+v, %v", result, err)
			}
			sshtest.Plain(t, err)
			s.Close()
		})
	}
}

// The end of a command costs no round trip of its own: the server has told it.
func TestEndOfACommandIsNotAskedFor(t *testing.T) {
	p := shellPeer(t, func(_ string, ch ssh.Channel) { exit(ch, 7) })
	var asked atomic.Int32
	p.OnRequest = func(*ssh.Request) { asked.Add(1) }
	s := p.session(config.Echo{Mode: config.EchoOff})
	defer s.Close()
	for range 20 {
		result, err := interactive.Run(t.Context(), s.OpenSession, interactive.Request{Command: "x"}, interactive.Files{})
		if err != nil || result.Status != 7 {
			t.Errorf("ended with %+v, %v", result, err)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d questions for 20 commands", n)
	}
}

func TestSessionThatIsNotOpened(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		p := newPeer(t)
		p.OnOpen = func(c ssh.NewChannel) { c.Reject(ssh.ResourceShortage, "too many\x1b[2J") }
		s := p.session(config.Echo{})
		defer s.Close()
		_, err := interactive.Run(t.Context(), s.OpenSession, interactive.Request{}, interactive.Files{})
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage || refused.Message != foreign.Line(refused.Message).String() {
			t.Errorf("%v", err)
		}
	})
	t.Run("not answered", func(t *testing.T) {
		p := newPeer(t)
		p.OnOpen = func(ssh.NewChannel) {}
		s := p.session(config.Echo{})
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := interactive.Run(ctx, s.OpenSession, interactive.Request{}, interactive.Files{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		sshtest.Eventually(t, "no place is taken", func() bool { return s.Open() == 0 })
	})
	t.Run("no connection", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := newTestTunnel(t, &config.Options{}).OpenSession(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// An owner that leaves early leaves nothing behind that stops the connection: requests and output still come.
func TestSessionThatIsLeft(t *testing.T) {
	left := make(chan struct{})
	begun, done := make(chan struct{}), make(chan struct{})
	p := shellPeer(t, func(_ string, ch ssh.Channel) {
		defer close(done)
		close(begun)
		<-left
		for range 100 {
			ch.SendRequest("noise", false, nil)
		}
		io.Copy(ch, io.LimitReader(zeros{}, 8<<20))
		io.Copy(ch.Stderr(), io.LimitReader(zeros{}, 8<<20))
	})
	s := p.session(config.Echo{})
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		interactive.Run(ctx, s.OpenSession, interactive.Request{Command: "x"}, interactive.Files{})
	}()
	<-begun // the command runs: an owner that left before would not have asked for it
	cancel()
	<-ended
	close(left)
	<-done
	if _, err := s.Keepalive(t.Context()); err != nil {
		t.Error(err)
	}
	sshtest.Eventually(t, "no place is taken", func() bool { return s.Open() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// The agent is for those whom a session of ours lets in, and for nobody before.
func TestAgentIsForwardedWhenAskedFor(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	opened := make(chan error, 3)
	conns := make(chan *ssh.ServerConn, 1)
	ask := func(conn *ssh.ServerConn) error {
		ch, requests, err := conn.OpenChannel(agentChannel, nil)
		if err != nil {
			return err
		}
		go ssh.DiscardRequests(requests)
		defer ch.Close()
		io.WriteString(ch, "who is there")
		ch.CloseWrite()
		answer, err := io.ReadAll(ch)
		if string(answer) != "who is there" {
			return fmt.Errorf("the agent said %q, %w", answer, err)
		}
		return nil
	}
	p := shellPeer(t, func(_ string, ch ssh.Channel) {
		conn := <-conns
		opened <- ask(conn)
		os.Remove(socket)
		opened <- ask(conn)
		exit(ch, 0)
	})
	p.OnConn = func(conn *ssh.ServerConn) {
		go func() {
			opened <- ask(conn)
			conns <- conn
		}()
	}
	s := p.session(config.Echo{})
	s.agent.path = socket
	defer s.Close()
	var refused *ssh.OpenChannelError
	if err := <-opened; !errors.As(err, &refused) || refused.Reason != ssh.UnknownChannelType {
		t.Errorf("before anybody asked: %v", err)
	}
	if _, err := interactive.Run(t.Context(), s.OpenSession, interactive.Request{Command: "x", Agent: true}, interactive.Files{}); err != nil {
		t.Error(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
	if err := <-opened; !errors.As(err, &refused) || refused.Reason != ssh.ConnectionFailed {
		t.Errorf("without an agent: %v", err)
	}
	sshtest.Eventually(t, "no place is taken", func() bool { return s.Open() == 0 })
}

// Programs that ride on a connection took the one seat that a server gives (MaxSessions 1) from the command that the connection is
// for.
func TestOwnSessionGoesBeforeThoseOfRiders(t *testing.T) {
	for name, own := range map[string]bool{"it is asked for": true, "there is none after all": false} {
		t.Run(name, func(t *testing.T) {
			opened := make(chan string, 10)
			p := newPeer(t)
			p.OnOpen = func(c ssh.NewChannel) {
				opened <- string(c.ExtraData())
				if _, requests, err := c.Accept(); err == nil {
					ssh.DiscardRequests(requests)
				}
			}
			tun := newTestTunnel(t, &config.Options{})
			s := p.session(config.Echo{})
			defer s.Close()
			release := s.Reserve()
			tun.Join(s)
			rode := make(chan error, 1)
			go func() {
				_, err := tun.OpenFor(t.Context(), sessionKind, []byte("rider"))
				rode <- err
			}()
			sshtest.Eventually(t, "the rider has come", func() bool { return s.Open() == 1 })
			select {
			case <-opened:
				t.Fatal("it does not wait")
			case <-time.After(50 * time.Millisecond):
			}
			if own {
				if _, err := s.OpenSession(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				release()
			}
			if err := <-rode; err != nil {
				t.Errorf("the rider got %v", err)
			}
		})
	}
}

// A rider that waits for its turn leaves nothing behind where it gives up.
func TestRiderGivesUpItsTurn(t *testing.T) {
	p := shellPeer(t, func(string, ssh.Channel) {})
	tun := newTestTunnel(t, &config.Options{})
	s := p.session(config.Echo{})
	defer s.Close()
	s.Reserve()
	tun.Join(s)
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := tun.OpenFor(ctx, sessionKind, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("gave %v", err)
	}
	if s.Open() != 0 || s.Commands() != 0 {
		t.Errorf("%d places and %d seats are taken", s.Open(), s.Commands())
	}
}
