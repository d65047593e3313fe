//go:build unix

package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stdioMessage asks for `ssh -W`.
func (s *stranger) stdioMessage(host string, port uint32) message {
	return binary.BigEndian.AppendUint32(s.request(requestStdio).text("").text(host), port)
}

// A client that dies leaves nothing behind, whatever it was about to say.
func TestClientDiesInEachPhase(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	echo := echoServer(t)
	files := func(s *stranger, count int) {
		p := newPipe(s.t)
		s.pass([]*os.File{p.r, p.w, p.w}[:count]...)
		p.r.Close()
		p.w.Close()
	}
	f.mu.Lock()
	f.hold = make(chan struct{})
	hold := f.hold
	f.mu.Unlock()
	for _, phase := range []struct {
		name string
		do   func(*testing.T) *stranger
	}{
		{"connected", func(t *testing.T) *stranger { return visit(t, m) }},
		{"half a length", func(t *testing.T) *stranger {
			s := visit(t, m)
			s.conn.Write([]byte{0, 0})
			return s
		}},
		{"half a message", func(t *testing.T) *stranger {
			s := visit(t, m)
			s.conn.Write(newMessage(typeHello, protocolVersion).packet()[:7])
			return s
		}},
		{"greeted", func(t *testing.T) *stranger { return greet(t, m) }},
		{"announced a session", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.sessionMessage("cat", 0))
			return s
		}},
		{"passed two of three files", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.sessionMessage("cat", 0))
			files(s, 2)
			return s
		}},
		{"held", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.sessionMessage("cat", 0))
			files(s, 3)
			return s
		}},
		{"stdio is held", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.stdioMessage("127.0.0.1", uint32(echo.Port)))
			files(s, 2)
			return s
		}},
		{"a forward is waited for", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.forwardMessage(requestOpenForward, forwardRemote, "", 80, "db", 80))
			return s
		}},
		{"the end of a forward is waited for, and more was asked", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.forwardMessage(requestCloseForward, forwardRemote, "", 80, "db", 80))
			s.say(s.request(requestAlive))
			return s
		}},
		{"proxy", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.request(requestProxy))
			s.receive()
			return s
		}},
		{"a session runs", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.sessionMessage("hang", 0))
			files(s, 3)
			s.receive()
			return s
		}},
		{"stdio runs", func(t *testing.T) *stranger {
			s := greet(t, m)
			s.say(s.stdioMessage("127.0.0.1", uint32(echo.Port)))
			files(s, 2)
			s.receive()
			return s
		}},
	} {
		if phase.name == "a session runs" {
			close(hold)
		}
		s := phase.do(t)
		eventually(t, phase.name+": it is there", func() bool { return m.Clients() == 1 })
		s.conn.Close()
		eventually(t, phase.name+": nobody is left", func() bool { return m.Clients() == 0 && f.taken() == 0 })
	}
	if kind, _ := greet(t, m).ask(newMessage(requestAlive, 0)); kind != answerAlive {
		t.Errorf("the next client is told %x", kind)
	}
}

func (f *fakeTunnel) taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.descriptors
}

// shortTimes are for tests that wait for their end.
var shortTimes = times{greet: 50 * time.Millisecond, idle: 100 * time.Millisecond, write: 50 * time.Millisecond}

func TestClientThatNeverReads(t *testing.T) {
	m := newMasterWith(t, newFake(t), times{greet: patience, idle: patience, write: 50 * time.Millisecond})
	s := greet(t, m)
	question := newMessage(requestAlive, 0).packet()
	for range 1 << 16 {
		if _, err := s.conn.Write(question); err != nil {
			break
		}
	}
	eventually(t, "it is let go", func() bool { return m.Clients() == 0 })
}

// Whoever connects and says nothing has a place for a moment.
func TestSilentClients(t *testing.T) {
	m := newMasterWith(t, newFake(t), shortTimes)
	var silent []net.Conn
	for range 1000 {
		conn, err := net.Dial("unix", m.Path())
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
		if m.Clients() > maxClients {
			t.Fatalf("%d clients", m.Clients())
		}
	}
	eventually(t, "there is room again", func() bool { return m.Clients() == 0 })
	for _, conn := range silent {
		conn.Close()
	}
	eventually(t, "the next client is served", func() bool { _, err := Alive(t.Context(), m.Path()); return err == nil })
}

func TestGarbage(t *testing.T) {
	m := newMasterWith(t, newFake(t), shortTimes)
	random := rand.NewChaCha8([32]byte{'m', 'u', 'x'})
	hello := newMessage(typeHello, protocolVersion).packet()
	requests := []byte{2, 4, 6, 7, 8, 0xf}
	for i := range 300 {
		s := visit(t, m)
		text := make([]byte, 1+i*7)
		random.Read(text)
		switch i % 4 {
		case 1: // a packet of garbage
			text = append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
		case 2: // a request of garbage
			text = append(binary.BigEndian.AppendUint32(nil, uint32(len(text)+4)), append([]byte{0x10, 0, 0, requests[i/4%len(requests)]}, text...)...)
		case 3: // less than was announced
			text = append(binary.BigEndian.AppendUint32(nil, maxMessage), text...)
		}
		s.conn.Write(append(bytes.Clone(hello), text...))
		s.conn.CloseWrite()
	}
	eventually(t, "they are let go", func() bool { return m.Clients() == 0 })
	eventually(t, "the next client is served", func() bool { _, err := Alive(t.Context(), m.Path()); return err == nil })
}

func TestOverlongHosts(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	for _, size := range []int{maxHost + 1, 5000, 200_000} {
		host := strings.Repeat("h", size)
		for _, port := range []uint32{22, streamLocal} {
			s := greet(t, m)
			if kind, _ := s.ask(s.stdioMessage(host, port)); kind != answerFailure {
				t.Errorf("a target of %d bytes: %x", size, kind)
			}
			s = greet(t, m)
			forward := newMessage(requestOpenForward, 0, forwardRemote).text(host)
			forward = message(binary.BigEndian.AppendUint32(forward, port)).text("db")
			if kind, _ := s.ask(binary.BigEndian.AppendUint32(forward, 80)); kind != answerFailure {
				t.Errorf("a listener of %d bytes: %x", size, kind)
			}
		}
	}
	if f.opens != 0 || len(f.forwards) != 0 {
		t.Errorf("%d channels were asked for, %d forwards", f.opens, len(f.forwards))
	}
}

// Where no descriptors are left the client hears of it, and connects by itself.
func TestTooManyFilesAreOpen(t *testing.T) {
	f := newFake(t)
	f.limit = 1 + 3*perFile
	m := newMaster(t, f)
	s := greet(t, m)
	if out, _, status := s.run(s.sessionMessage("cat", 0), "x"); out != "x" || status != 0 {
		t.Errorf("with room for one: %q, %d", out, status)
	}
	eventually(t, "all is given back", func() bool { return f.taken() == 0 })
	f.mu.Lock()
	f.limit--
	f.mu.Unlock()
	s = greet(t, m)
	s.say(s.sessionMessage("cat", 0))
	p := newPipe(t)
	s.pass(p.r, p.w, p.w)
	rest := s.receive()
	if kind, _ := rest.number(); kind != answerFailure {
		t.Errorf("without room: %x", kind)
	}
	s.conn.Close()
	eventually(t, "all is given back", func() bool { return f.taken() == 0 })
	f.mu.Lock()
	f.limit = 0
	f.mu.Unlock()
	if s := visit(t, m); !s.closed() {
		t.Error("greeted though nothing can be opened")
	}
}

// Of several that find the same stale socket one gets it, and what it made is not taken for stale by the others.
func TestSeveralTakeOverTheSameSocket(t *testing.T) {
	f, path := newFake(t), filepath.Join(t.TempDir(), "cm")
	for range 15 {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		var all sync.WaitGroup
		made := make(chan *Master, 4)
		for range cap(made) {
			all.Go(func() {
				s, err := Listen(t.Context(), path, false)
				var foreign *ForeignError
				switch {
				case errors.As(err, &foreign) && foreign.PID == os.Getpid():
				case err != nil:
					t.Error(err)
				default:
					m := New(f, slog.New(slog.DiscardHandler))
					m.Serve(s)
					made <- m
				}
			})
		}
		all.Wait()
		close(made)
		count := 0
		for m := range made {
			count++
			if !m.InPlace() {
				t.Error("somebody removed its socket")
			}
			m.Close()
		}
		if count != 1 {
			t.Fatalf("%d of them got it", count)
		}
		unix.Unlink(path)
	}
}

// A file system that does not answer, such as NFS, holds up nobody who does not ask for the file: not clients, the status or the
// end.
func TestFileSystemThatHangs(t *testing.T) {
	m := newMaster(t, newFake(t))
	path, hangs, called := m.Path(), make(chan struct{}), make(chan struct{}, 2)
	m.socket.lstat = func(string) (os.FileInfo, error) {
		called <- struct{}{}
		<-hangs
		return nil, os.ErrNotExist
	}
	looked := make(chan bool)
	go func() { looked <- m.InPlace() }()
	<-called
	if pid, err := Alive(t.Context(), path); err != nil || pid != os.Getpid() || m.Path() != path {
		t.Errorf("a client meanwhile: %d, %v", pid, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Close()
	}()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("it does not end")
	}
	if _, err := net.Dial("unix", path); err == nil {
		t.Error("it listens on")
	}
	close(hangs)
	if <-looked {
		t.Error("in place")
	}
	<-ended
}

// A ControlPath whose directory has gone is a socket that is not in place, and no error that lasts.
func TestDirectoryVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cm")
	path := filepath.Join(dir, "socket")
	os.Mkdir(dir, 0o700)
	s, err := Listen(t.Context(), path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if s.InPlace() {
		t.Error("in place, without a directory")
	}
	if _, err := Listen(t.Context(), path, true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("listening without a directory: %v", err)
	}
	os.Mkdir(dir, 0o700)
	again, err := Listen(t.Context(), path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := s.Close(); err != nil || !again.InPlace() {
		t.Errorf("the end of the first takes the second along: %v", err)
	}
}
