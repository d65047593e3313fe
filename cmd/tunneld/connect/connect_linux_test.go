package connect

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// pair returns two ends of a Unix connection that Go waits for, and the files that they were made of.
func pair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	files := filePair(t)
	conns := [2]*net.UnixConn{}
	for i, f := range files {
		conn, err := net.FileConn(f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		conns[i] = conn.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

func filePair(t *testing.T) (files [2]*os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		files[i] = os.NewFile(uintptr(fd), "socket")
		t.Cleanup(func() { files[i].Close() })
	}
	return files
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// Whatever follows the answer at once is left for whoever gets the socket.
func TestAskReadsNoByteTooMany(t *testing.T) {
	near, far := pair(t)
	go func() {
		far.Read(make([]byte, 4096))
		io.WriteString(far, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tunneld-connect\r\n\r\nSSH-2.0-x\r\n")
	}()
	if err := Ask(t.Context(), near, Query("db", config.Endpoint{Host: "::1", HostSet: true, Port: 22})); err != nil {
		t.Fatal(err)
	}
	rest := make([]byte, 100)
	if n, err := near.Read(rest); string(rest[:n]) != "SSH-2.0-x\r\n" || err != nil {
		t.Errorf("left: %q, %v", rest[:n], err)
	}
	if n, err := far.Read(rest); n != 1 || err != nil {
		t.Errorf("%d bytes said that the answer was read, %v", n, err)
	}
}

func TestAskIsRefused(t *testing.T) {
	for answer, ok := range map[string]bool{
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n{\"a\"}": true,
		"HTTP/1.1 502 Bad": false, "nonsense\r\n\r\n": false, "": false,
	} {
		near, far := pair(t)
		go func() {
			far.Read(make([]byte, 4096))
			io.WriteString(far, answer)
			far.Close()
		}()
		err := Ask(t.Context(), near, Query("db", config.Endpoint{Path: "/x"}))
		var refused *RefusedError
		if got := errors.As(err, &refused); err == nil || got != ok {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// Who does not want to wait any more does not wait for a daemon that does not answer.
func TestAskIsGivenUp(t *testing.T) {
	near, far := pair(t)
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		far.Read(make([]byte, 4096)) // and says nothing
		giveUp()
	}()
	if err := Ask(ctx, near, Query("db", config.Endpoint{Path: "/x"})); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPipeCarriesBothWays(t *testing.T) {
	near, far := pair(t)
	in, typed := pipe(t)
	seen, out := pipe(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	go func() { typed.Write(data); typed.Close() }()
	go func() { io.Copy(far, far); far.CloseWrite() }()
	ended := make(chan error, 1)
	go func() { ended <- Pipe(near, in, out) }()
	got, err := io.ReadAll(seen)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The other side's end is passed on at once, and what is typed after it still arrives.
func TestPipeHalfCloses(t *testing.T) {
	near, far := pair(t)
	in, typed := pipe(t)
	seen, out := pipe(t)
	ended := make(chan error, 1)
	go func() { ended <- Pipe(near, in, out) }()
	far.CloseWrite()
	if rest, err := io.ReadAll(seen); len(rest) > 0 || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
	io.WriteString(typed, "late")
	typed.Close()
	if got, err := io.ReadAll(far); string(got) != "late" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// It ends with the other side, though nobody ends its input.
func TestPipeEndsWithTheOtherSide(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(far *net.UnixConn)
		want error
	}{
		{"in good order", func(far *net.UnixConn) { far.Close() }, nil},
		{"cut", func(far *net.UnixConn) { // a byte that nobody has read makes it a reset
			raw, _ := far.SyscallConn()
			raw.Read(func(fd uintptr) bool {
				_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
				return err == nil
			})
			far.Close()
		}, ErrCut},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := pair(t)
			in, typed := pipe(t)
			_, out := pipe(t)
			if c.want != nil {
				io.WriteString(typed, "x")
			}
			ended := make(chan error, 1)
			go func() { ended <- Pipe(near, in, out) }()
			c.end(far)
			select {
			case err := <-ended:
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("it goes on")
			}
		})
	}
}

// Where the input has ended and nobody reads the output, nothing is waited for: the program that started it has gone.
func TestPipeEndsWithItsProgram(t *testing.T) {
	near, far := pair(t)
	in, typed := pipe(t)
	seen, out := pipe(t)
	ended := make(chan error, 1)
	go func() { ended <- Pipe(near, in, out) }()
	io.WriteString(typed, "last words")
	typed.Close()
	seen.Close()
	if got, err := io.ReadAll(far); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
}

// The socket arrives as ssh takes it: one byte, one descriptor, and what is sent through it comes out here.
func TestPassHandsTheSocketOver(t *testing.T) {
	near, far := pair(t)
	files := filePair(t)
	if err := Pass(near, files[0]); err != nil {
		t.Fatal(err)
	}
	near.Close()
	room := make([]byte, unix.CmsgSpace(4))
	n, rest, _, _, err := unix.Recvmsg(int(files[1].Fd()), make([]byte, 2), room, 0)
	if n != 1 || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:rest])
	if err != nil || len(messages) != 1 {
		t.Fatal(messages, err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("flags %#x, %v: not as a program makes a socket", flags, err)
	}
	unix.Write(fds[0], []byte("hello"))
	unix.Close(fds[0])
	if got, err := io.ReadAll(far); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// Only the pair of an ssh is taken for a wish, whatever its name: libssh gives its helpers such pairs to carry bytes.
func TestWhoWantsTheSocket(t *testing.T) {
	if os.Getenv("CONNECT_TEST_PAIR") != "" { // as the program that makes a pair
		files := filePair(t)
		if Wanted(files[0], files[0]) {
			os.Exit(10)
		}
		os.Exit(11)
	}
	files := filePair(t)
	r, w := pipe(t)
	if Wanted(files[0], files[0]) || Wanted(files[0], files[1]) || Wanted(r, w) {
		t.Error("wanted by a program that is no ssh")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []struct {
		name, words string // that are in it
		want        int
	}{
		{"ssh", "", 10}, {"hpnssh", "", 10}, {"libssh-user", "", 11}, {"sshfs", "", 11},
		{"ssh-10.5p1", strings.Join(complaint, ""), 10}, {"something", "\x00" + strings.Join(complaint, "") + "\x00", 10}, {"ssh.other", complaint[0], 11},
	} {
		t.Run(program.name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/" + program.name
			if program.words != "" || os.Link(self, path) != nil {
				copyFile(t, self, path)
				appendTo(t, path, program.words)
			}
			cmd := exec.Command(path, "-test.run=^TestWhoWantsTheSocket$")
			cmd.Env = append(os.Environ(), "CONNECT_TEST_PAIR=1")
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).ExitStatus() != program.want {
				t.Errorf("%v, want exit code %d", err, program.want)
			}
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// Where nobody waits for a socket, that is said.
func TestPassWithoutAPair(t *testing.T) {
	near, _ := pair(t)
	_, w := pipe(t)
	if err := Pass(near, w); !errors.Is(err, ErrNoSocket) {
		t.Error(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
