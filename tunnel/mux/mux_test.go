//go:build unix

package mux

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

func TestAliveCheck(t *testing.T) {
	m := newMaster(t, newFake(t))
	pid, err := Alive(t.Context(), m.Path())
	if err != nil || pid != os.Getpid() {
		t.Fatalf("%d, %v", pid, err)
	}
}

func TestSession(t *testing.T) {
	m := newMaster(t, newFake(t))
	long := strings.Repeat("\x00\xff binary\n", 50_000)
	for _, test := range []struct {
		name, command, input string
		env                  []string
		out, err             string
		status               int
	}{
		{name: "bytes both ways", command: "cat", input: long, out: long},
		{name: "status", command: "exit 7", err: "bye", status: 7},
		{name: "killed by a signal", command: "killed", status: -1},
		{name: "environment", command: "env", env: []string{"LANG=C", "A=b=c"}, out: "LANG=C A=b=c"},
		{name: "refused", command: "refused", err: "exec request failed\r\n", status: -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := greet(t, m)
			out, complaint, status := s.run(s.sessionMessage(test.command, 0, test.env...), test.input)
			if out != test.out || complaint != test.err || status != test.status {
				t.Errorf("%.60q, %q, %d; want %.60q, %q, %d", out, complaint, status, test.out, test.err, test.status)
			}
		})
	}
}

// OpenSSH's master tells the client twice: in words, and so that it leaves raw mode.
func TestTerminalRefused(t *testing.T) {
	m := newMaster(t, newFake(t))
	s := greet(t, m)
	_, complaint, status := s.run(s.sessionMessage("exit 3", 1), "")
	if complaint != "PTY allocation request failed\r\nbye" || status != 3 {
		t.Errorf("%q, %d", complaint, status)
	}
}

func TestSessionRefusedIsSaid(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	for _, test := range []struct {
		why  error
		want string
	}{
		{&ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "open failed"}, "Session open refused by peer"},
		{errors.New("the tunnel is down"), "tunneld: the tunnel is down"},
	} {
		f.mu.Lock()
		f.refusal = test.why
		f.mu.Unlock()
		s := greet(t, m)
		s.say(s.sessionMessage("cat", 0))
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.pass(null, null, null)
		null.Close()
		rest := s.receive()
		kind, _ := rest.number()
		rest.number()
		if why, _ := rest.text(); kind != answerFailure || why != test.want {
			t.Errorf("%x %q, want %q", kind, why, test.want)
		}
	}
}

// A client that leaves while it is held must not have a command run for nobody.
func TestClientLeavesWhileItWaits(t *testing.T) {
	f := newFake(t)
	f.hold = make(chan struct{}) // never closed: only the client's leaving ends the wait
	m := newMaster(t, f)
	s := greet(t, m)
	s.say(s.sessionMessage("cat", 0))
	p := newPipe(t)
	s.pass(p.r, p.w, p.w)
	eventually(t, "it waits", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.opens == 1 })
	if pid, err := Alive(t.Context(), m.Path()); err != nil || pid == 0 {
		t.Errorf("no answer to others meanwhile: %v", err)
	}
	s.conn.Close()
	eventually(t, "nobody is left", func() bool { return m.Clients() == 0 })
}

func TestClientsDeathEndsTheSession(t *testing.T) {
	m := newMaster(t, newFake(t))
	s := greet(t, m)
	p := newPipe(t)
	s.say(s.sessionMessage("hang", 0))
	s.pass(p.r, p.w, p.w)
	s.receive()
	s.conn.Close()
	eventually(t, "nobody is left", func() bool { return m.Clients() == 0 })
}

// The flags of what is passed are shared with the user's shell.
func TestPassedFilesKeepTheirFlags(t *testing.T) {
	m := newMaster(t, newFake(t))
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(sockets[0]), "socket")
	defer socket.Close()
	defer unix.Close(sockets[1])
	s := greet(t, m)
	s.say(s.sessionMessage("hang", 0))
	p := newPipe(t)
	s.pass(p.r, p.w, socket)
	s.receive()
	for _, fd := range []int{int(p.r.Fd()), int(p.w.Fd()), sockets[0]} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("descriptor %d: flags %x, %v", fd, flags, err)
		}
	}
}

func TestStdioForward(t *testing.T) {
	m := newMaster(t, newFake(t))
	echo := echoServer(t)
	s := greet(t, m)
	request := s.request(requestStdio).text("").text("127.0.0.1")
	request = append(request, 0, 0, byte(echo.Port>>8), byte(echo.Port))
	s.say(request)
	in, out := newPipe(t), newPipe(t)
	s.pass(in.r, out.w)
	in.r.Close()
	rest := s.receive()
	if kind, _ := rest.number(); kind != answerOpened {
		t.Fatalf("answered with %x", kind)
	}
	in.w.WriteString("ping")
	in.w.Close()
	if !s.closed() {
		t.Error("the connection goes on after both ends")
	}
	out.w.Close()
	b := make([]byte, 16)
	if n, _ := out.r.Read(b); string(b[:n]) != "ping" {
		t.Errorf("got %q", b[:n])
	}
}

func TestForwards(t *testing.T) {
	f := newFake(t)
	f.configured = []config.Forward{{Kind: config.Local, Listen: config.Endpoint{Port: 8080}, Target: config.Endpoint{Host: "db", HostSet: true, Port: 5432}}}
	m := newMaster(t, f)
	s := greet(t, m)
	forward := func(request, kind uint32, host string, port uint32, target string, targetPort uint32) message {
		r := newMessage(request, s.next, kind).text(host)
		r = append(r, byte(port>>24), byte(port>>16), byte(port>>8), byte(port))
		r = r.text(target)
		return append(r, byte(targetPort>>24), byte(targetPort>>16), byte(targetPort>>8), byte(targetPort))
	}
	for _, test := range []struct {
		name string
		m    func() message
		want uint32
		says string
	}{
		{"one of the configuration", func() message { return forward(requestOpenForward, 1, "", 8080, "db", 5432) }, answerOK, ""},
		{"a local one", func() message { return forward(requestOpenForward, 1, "*", 81, "db", 80) }, answerOK, ""},
		{"the same again", func() message { return forward(requestOpenForward, 1, "*", 81, "db", 80) }, answerOK, ""},
		{"a dynamic one", func() message { return forward(requestOpenForward, 3, "", 1080, "socks", 0) }, answerOK, ""},
		{"a remote one", func() message { return forward(requestOpenForward, 2, "", 82, "db", 80) }, answerOK, ""},
		{"a remote one that the server chooses", func() message { return forward(requestOpenForward, 2, "", 0, "db", 80) }, answerRemotePort, ""},
		{"a remote SOCKS proxy", func() message { return forward(requestOpenForward, 2, "", 83, "socks", 0) }, answerOK, ""},
		{"sockets", func() message { return forward(requestOpenForward, 1, "/a", streamLocal, "/b", streamLocal) }, answerOK, ""},
		{"a relative socket", func() message { return forward(requestOpenForward, 1, "a/b", streamLocal, "db", 80) }, answerOK, ""},
		{"no kind", func() message { return forward(requestOpenForward, 4, "", 8080, "db", 5432) }, answerFailure, "Invalid forwarding request"},
		{"no port", func() message { return forward(requestOpenForward, 1, "", 0, "db", 5432) }, answerFailure, "Invalid forwarding request"},
		{"too large a port", func() message { return forward(requestOpenForward, 1, "", 65536, "db", 5432) }, answerFailure, "Invalid forwarding request"},
		{"no target", func() message { return forward(requestOpenForward, 1, "", 84, "", 0) }, answerFailure, "Invalid forwarding request"},
		{"close the local one", func() message { return forward(requestCloseForward, 1, "*", 81, "db", 80) }, answerOK, ""},
		{"close it again", func() message { return forward(requestCloseForward, 1, "*", 81, "db", 80) }, answerFailure, "port not forwarded"},
		{"close one of the configuration", func() message { return forward(requestCloseForward, 1, "", 8080, "db", 5432) }, answerFailure, ErrConfigured.Error()},
	} {
		kind, rest := s.ask(test.m())
		says := ""
		if kind == answerFailure {
			says, _ = rest.text()
		}
		if kind != test.want || says != test.says {
			t.Errorf("%s: %x %q, want %x %q", test.name, kind, says, test.want, test.says)
		}
		if port, _ := rest.number(); kind == answerRemotePort && port != 4711 {
			t.Errorf("port %d", port)
		}
	}
	for _, want := range []config.Forward{
		{Kind: config.Local, Listen: config.Endpoint{Path: "/a"}, Target: config.Endpoint{Path: "/b"}},
		{Kind: config.Local, Listen: config.Endpoint{Path: "a/b"}, Target: config.Endpoint{Host: "db", HostSet: true, Port: 80}},
	} {
		if !slices.Contains(f.forwards, want) {
			t.Errorf("%+v", f.forwards)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	f := newFake(t)
	m := newMaster(t, f)
	s := greet(t, m)
	if kind, rest := s.ask(s.request(0x10ffffff)); kind != answerFailure {
		t.Errorf("unknown: %x", kind)
	} else if why, _ := rest.text(); why != "unsupported request" {
		t.Errorf("unknown: %q", why)
	}
	if kind, rest := s.ask(s.request(requestInfo).text("connection")); kind != answerInfo || !strings.HasSuffix(string(rest), "all about it") {
		t.Errorf("info: %x %q", kind, rest)
	}
	f.mu.Lock()
	f.refusal = errors.New("systemd runs it")
	f.mu.Unlock()
	if kind, _ := s.ask(s.request(requestTerminate)); kind != answerDenied {
		t.Errorf("terminate: %x", kind)
	}
	f.mu.Lock()
	f.refusal = nil
	f.mu.Unlock()
	if kind, _ := s.ask(s.request(requestTerminate)); kind != answerOK || !f.terminated {
		t.Errorf("terminate: %x", kind)
	}
	path := m.Path()
	if kind, _ := s.ask(s.request(requestStop)); kind != answerOK {
		t.Errorf("stop: %x", kind)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file after stop: %v", err)
	}
	if kind, _ := s.ask(s.request(requestAlive)); kind != answerAlive {
		t.Errorf("the connection after stop: %x", kind)
	}
}

func TestWhatIsNoClient(t *testing.T) {
	m := newMaster(t, newFake(t))
	for _, test := range []struct {
		name string
		says []byte
	}{
		{"another version", newMessage(typeHello, 3).packet()},
		{"a request before the greeting", newMessage(requestAlive, 0).packet()},
		{"too long", []byte{0xff, 0xff, 0xff, 0xff}},
		{"nothing in it", []byte{0, 0, 0, 0}},
		{"greeted twice", append(newMessage(typeHello, protocolVersion).packet(), newMessage(typeHello, protocolVersion).packet()...)},
		{"a session without its fields", append(newMessage(typeHello, protocolVersion).packet(), newMessage(requestSession, 0).packet()...)},
	} {
		s := visit(t, m)
		s.receive()
		s.conn.Write(test.says)
		if !s.closed() {
			t.Errorf("%s: the connection goes on", test.name)
		}
	}
}

func TestNoDescriptors(t *testing.T) {
	m := newMaster(t, newFake(t))
	for _, files := range []int{0, 2} {
		s := greet(t, m)
		s.say(s.sessionMessage("cat", 0))
		p := newPipe(t)
		for range 3 {
			rights := []byte(nil)
			if files > 0 {
				rights = unix.UnixRights(int(p.r.Fd()), int(p.w.Fd()))
			}
			s.conn.WriteMsgUnix([]byte{0}, rights, nil)
		}
		rest := s.receive()
		kind, _ := rest.number()
		rest.number()
		if why, _ := rest.text(); kind != answerFailure || why != "did not receive file descriptors" {
			t.Errorf("%d descriptors: %x %q", files, kind, why)
		}
	}
}

func TestTooManyClients(t *testing.T) {
	m := newMaster(t, newFake(t))
	for range maxClients {
		conn, err := net.Dial("unix", m.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "all are there", func() bool { return m.Clients() == maxClients })
	if s := visit(t, m); !s.closed() {
		t.Error("one more is let in")
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cm")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // left over
	s, err := Listen(t.Context(), path, false)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("more than the socket is left: %v", entries)
	}
	if !s.InPlace() {
		t.Error("not in place")
	}
	os.Remove(path)
	os.WriteFile(path, nil, 0o600)
	s.Close()
	if _, err := os.Lstat(path); err != nil || s.InPlace() {
		t.Error("the file of another was removed")
	}
	if _, err := Listen(t.Context(), path, true); err == nil {
		t.Error("a file that is no socket was taken over")
	}
}

func TestForeignMaster(t *testing.T) {
	other := newMaster(t, newFake(t))
	path := other.Path()
	var foreign *ForeignError
	if _, err := Listen(t.Context(), path, false); !errors.As(err, &foreign) || foreign.PID != os.Getpid() {
		t.Fatalf("left alone: %v", err)
	}
	if other.Path() == "" {
		t.Fatal("it was asked to stop listening")
	}
	s, err := Listen(t.Context(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if other.Path() != "" || !s.InPlace() {
		t.Error("not taken over")
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func echoServer(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 64)
				for {
					n, err := conn.Read(b)
					if err != nil {
						return
					}
					conn.Write(b[:n])
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr)
}
