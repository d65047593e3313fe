//go:build unix

package mux

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTunnel is one connection to a server in the test.
type fakeTunnel struct {
	t      *testing.T
	client *ssh.Client
	lost   chan struct{}

	mu          sync.Mutex
	forwards    []config.Forward
	configured  []config.Forward
	refusal     error         // of Open, Forward and Terminate
	hold        chan struct{} // Open waits for it; nil: it does not
	opens       int
	terminated  bool
	limit       int // of descriptors
	descriptors int // that are taken
}

func (f *fakeTunnel) Open(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	f.mu.Lock()
	refusal := f.refusal
	f.opens++
	f.mu.Unlock()
	if err := f.await(ctx); err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	ch, requests, err := f.client.OpenChannel(kind, payload)
	if err != nil {
		return nil, err
	}
	return &fakeChannel{ch, requests, f}, nil
}

type fakeChannel struct {
	ssh.Channel
	requests <-chan *ssh.Request
	tunnel   *fakeTunnel
}

func (c *fakeChannel) Stderr() io.Reader             { return c.Channel.Stderr() }
func (c *fakeChannel) Requests() <-chan *ssh.Request { return c.requests }
func (c *fakeChannel) Lost() <-chan struct{}         { return c.tunnel.lost }
func (c *fakeChannel) Err() error                    { return io.ErrUnexpectedEOF }
func (c *fakeChannel) Lives(context.Context) bool {
	_, _, err := c.tunnel.client.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// await waits as long as Open does.
func (f *fakeTunnel) await(ctx context.Context) error {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold == nil {
		return nil
	}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *fakeTunnel) Forward(ctx context.Context, w config.Forward) (int, error) {
	if err := f.await(ctx); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refusal != nil {
		return 0, f.refusal
	}
	if !slices.Contains(f.forwards, w) && !slices.Contains(f.configured, w) {
		f.forwards = append(f.forwards, w)
	}
	return max(w.Listen.Port, 4711), nil
}

func (f *fakeTunnel) Cancel(ctx context.Context, w config.Forward) error {
	if err := f.await(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.configured, w) {
		return ErrConfigured
	}
	if i := slices.Index(f.forwards, w); i >= 0 {
		f.forwards = slices.Delete(f.forwards, i, i+1)
		return nil
	}
	return ErrNotForwarded
}

func (f *fakeTunnel) Admit(descriptors int) (release func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.descriptors+descriptors > f.limit {
		return nil, false
	}
	f.descriptors += descriptors
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.descriptors -= descriptors
	}, true
}

func (f *fakeTunnel) Terminate() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.terminated = f.refusal == nil
	return f.refusal
}

func (f *fakeTunnel) ForwardsAgent() bool { return false }

func (f *fakeTunnel) Info(about string) (string, bool) { return "all about it", about == "connection" }

// newFake returns a tunnel to a server that knows a few commands: see serveCommand.
func newFake(t *testing.T) *fakeTunnel {
	t.Helper()
	s, err := sshtest.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.OnOpen = serveCommand
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	client, err := ssh.Dial("tcp", s.Address(), &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeTunnel{t: t, client: client, lost: make(chan struct{}), limit: 1 << 20}
	waited := make(chan struct{})
	go func() { defer close(waited); client.Wait(); close(f.lost) }()
	t.Cleanup(func() { client.Close(); <-waited })
	return f
}

// serveCommand serves a session whose command is one of these: "cat", "exit N", "killed", "env", "hang", "refused".
func serveCommand(c ssh.NewChannel) {
	if c.ChannelType() != "session" {
		sshtest.Connect(c)
		return
	}
	ch, requests, err := c.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	var seen []string
	for r := range requests {
		switch r.Type {
		case "exec":
			var command struct{ Text string }
			ssh.Unmarshal(r.Payload, &command)
			r.Reply(command.Text != "refused", nil)
			go func() {
				for r := range requests {
					if r.WantReply {
						r.Reply(false, nil)
					}
				}
			}()
			if command.Text != "refused" {
				runCommand(ch, command.Text, seen)
			}
			return
		case "pty-req":
			r.Reply(false, nil)
		case "env":
			var pair struct{ Name, Value string }
			ssh.Unmarshal(r.Payload, &pair)
			seen = append(seen, pair.Name+"="+pair.Value)
		default:
			r.Reply(true, nil)
		}
	}
}

func runCommand(ch ssh.Channel, command string, env []string) {
	status := uint32(0)
	switch {
	case command == "cat":
		io.Copy(ch, ch)
	case command == "env":
		fmt.Fprint(ch, strings.Join(env, " "))
	case command == "hang":
		io.Copy(io.Discard, ch)
		return
	case command == "killed":
		ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal     string
			Dumped     bool
			Text, Lang string
		}{Signal: "TERM"}))
		return
	default:
		fmt.Sscanf(command, "exit %d", &status)
		fmt.Fprint(ch.Stderr(), "bye")
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

// newMaster returns a master on a socket of its own.
func newMaster(t *testing.T, f *fakeTunnel) *Master {
	t.Helper()
	return newMasterWith(t, f, usualTimes)
}

func newMasterWith(t *testing.T, f *fakeTunnel, times times) *Master {
	t.Helper()
	m := New(f, slog.New(slog.DiscardHandler))
	m.times = times
	s, err := Listen(t.Context(), filepath.Join(t.TempDir(), "cm"), false)
	if err != nil {
		t.Fatal(err)
	}
	m.Serve(s)
	t.Cleanup(m.Close)
	return m
}

// stranger speaks the protocol by hand.
type stranger struct {
	t    *testing.T
	conn *net.UnixConn
	next uint32
}

const patience = 10 * time.Second

// visit connects without a word.
func visit(t *testing.T, m *Master) *stranger {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: m.Path(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	return &stranger{t: t, conn: conn}
}

// greet is visit with both greetings.
func greet(t *testing.T, m *Master) *stranger {
	t.Helper()
	s := visit(t, m)
	hello := s.receive()
	if kind, _ := hello.number(); kind != typeHello {
		t.Fatalf("greeted with %x", kind)
	}
	if version, _ := hello.number(); version != protocolVersion {
		t.Fatalf("version %d", version)
	}
	s.say(newMessage(typeHello, protocolVersion))
	return s
}

func (s *stranger) say(m message) {
	s.t.Helper()
	if _, err := s.conn.Write(m.packet()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stranger) receive() fields {
	s.t.Helper()
	f, err := readMessage(s.conn)
	if err != nil {
		s.t.Fatalf("no message: %v", err)
	}
	return f
}

// ask sends a request and returns the kind of the answer and what is in it.
func (s *stranger) ask(m message) (kind uint32, rest fields) {
	s.t.Helper()
	s.say(m)
	rest = s.receive()
	kind, _ = rest.number()
	if id, _ := rest.number(); id != s.next && kind != answerExit && kind != answerTTYFailure {
		s.t.Errorf("the answer is to %d, want %d", id, s.next)
	}
	s.next++
	return kind, rest
}

func (s *stranger) request(kind uint32) message { return newMessage(kind, s.next) }

// closed reports whether the master closes the connection without another word.
func (s *stranger) closed() bool {
	var b [1]byte
	n, err := s.conn.Read(b[:])
	return n == 0 && (errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET))
}

// pass sends descriptors as ssh does, each with a byte.
func (s *stranger) pass(files ...*os.File) {
	s.t.Helper()
	for _, f := range files {
		if _, _, err := s.conn.WriteMsgUnix([]byte{0}, unix.UnixRights(int(f.Fd())), nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

// run asks for a session with pipes, gives it input and returns what it wrote and its exit status; -1: none came.
func (s *stranger) run(m message, input string) (out, errors string, status int) {
	s.t.Helper()
	in, out1, err1 := newPipe(s.t), newPipe(s.t), newPipe(s.t)
	s.say(m)
	s.pass(in.r, out1.w, err1.w)
	in.r.Close()
	out1.w.Close()
	err1.w.Close()
	opened := s.receive()
	if kind, _ := opened.number(); kind != answerOpened {
		opened.number()
		why, _ := opened.text()
		s.t.Fatalf("the session is not opened: %x %s", kind, why)
	}
	go func() { io.WriteString(in.w, input); in.w.Close() }()
	var said, complained []byte
	var both sync.WaitGroup
	both.Go(func() { said, _ = io.ReadAll(out1.r) })
	both.Go(func() { complained, _ = io.ReadAll(err1.r) })
	status = -1
	for {
		f, err := readMessage(s.conn)
		if err != nil {
			break
		}
		var kind, session, code uint32
		f.numbers(&kind, &session, &code)
		if kind == answerExit {
			if status >= 0 {
				s.t.Error("told twice how the command ended")
			}
			status = int(code)
		}
	}
	both.Wait()
	return string(said), string(complained), status
}

type pipe struct{ r, w *os.File }

func newPipe(t *testing.T) pipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return pipe{r, w}
}

// forwardMessage asks for a forward, or for its end.
func (s *stranger) forwardMessage(request, kind uint32, host string, port uint32, target string, targetPort uint32) message {
	m := binary.BigEndian.AppendUint32(newMessage(request, s.next, kind).text(host), port)
	return binary.BigEndian.AppendUint32(message(m).text(target), targetPort)
}

// sessionMessage asks for a command.
func (s *stranger) sessionMessage(command string, tty uint32, env ...string) message {
	m := s.request(requestSession).text("")
	for _, n := range []uint32{tty, 0, 0, 0, noEscape} {
		m = append(m, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	m = m.text("vt100").text(command)
	for _, pair := range env {
		m = m.text(pair)
	}
	return m
}
