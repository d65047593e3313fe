package interactive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeChannel is a channel whose server is the test.
type fakeChannel struct {
	out, err   *io.PipeReader // what the server sends
	toOut      *io.PipeWriter
	toErr      *io.PipeWriter
	fromIn     *io.PipeReader // what the server gets
	in         *io.PipeWriter
	requests   chan *ssh.Request
	lost       chan struct{}
	closedOnce sync.Once
	endOnce    sync.Once
	closed     chan struct{}
	dead       bool // Lives says so

	mu     sync.Mutex
	asked  []string
	refuse map[string]bool
	hang   map[string]bool
}

func newFakeChannel() *fakeChannel {
	c := &fakeChannel{
		requests: make(chan *ssh.Request, 8), lost: make(chan struct{}), closed: make(chan struct{}),
		refuse: map[string]bool{}, hang: map[string]bool{},
	}
	c.out, c.toOut = io.Pipe()
	c.err, c.toErr = io.Pipe()
	c.fromIn, c.in = io.Pipe()
	return c
}

func (c *fakeChannel) open(context.Context) (Channel, error) { return c, nil }

func (c *fakeChannel) Read(p []byte) (int, error)    { return c.out.Read(p) }
func (c *fakeChannel) Write(p []byte) (int, error)   { return c.in.Write(p) }
func (c *fakeChannel) CloseWrite() error             { return c.in.Close() }
func (c *fakeChannel) Stderr() io.Reader             { return c.err }
func (c *fakeChannel) Requests() <-chan *ssh.Request { return c.requests }
func (c *fakeChannel) Lost() <-chan struct{}         { return c.lost }
func (c *fakeChannel) Err() error                    { return errCut }
func (c *fakeChannel) Lives(context.Context) bool    { return !c.dead }

var errCut = errors.New("cut")

func (c *fakeChannel) SendRequest(name string, wantReply bool, payload []byte) (bool, error) {
	c.mu.Lock()
	if name == "window-change" {
		name = fmt.Sprint(name, " ", payload[3], "x", payload[7])
	}
	c.asked = append(c.asked, name)
	refuse, hang := c.refuse[name], c.hang[name]
	c.mu.Unlock()
	if hang {
		<-c.closed
		return false, io.EOF
	}
	return !refuse, nil
}

func (c *fakeChannel) has(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.asked {
		if one == name {
			return true
		}
	}
	return false
}

// Close has the server end its side, as every server does.
func (c *fakeChannel) Close() error {
	c.closedOnce.Do(func() { close(c.closed) })
	c.end()
	c.fromIn.CloseWithError(io.EOF)
	return nil
}

// end is the server's close.
func (c *fakeChannel) end() {
	c.endOnce.Do(func() {
		c.toOut.Close()
		c.toErr.Close()
		close(c.requests)
	})
}

func (c *fakeChannel) tell(kind string, payload any) {
	c.requests <- &ssh.Request{Type: kind, Payload: ssh.Marshal(payload)}
}

func (c *fakeChannel) exit(status uint32) {
	c.tell("exit-status", struct{ Status uint32 }{status})
	c.end()
}

// cut is the end of the connection.
func (c *fakeChannel) cut() {
	c.dead = true
	close(c.lost)
	c.end()
	c.fromIn.CloseWithError(io.EOF)
}

// ran is a Run under way.
type ran struct {
	t      *testing.T
	done   chan struct{}
	result Result
	err    error
}

func begin(ctx context.Context, t *testing.T, c *fakeChannel, r Request, f Files) *ran {
	t.Helper()
	run := &ran{t: t, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		run.result, run.err = Run(ctx, c.open, r, f)
	}()
	t.Cleanup(func() {
		c.Close()
		<-run.done
	})
	return run
}

func (r *ran) wait() (Result, error) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		r.t.Fatal("Run does not return")
	}
	return r.result, r.err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// pipe returns a blocking pipe, as a shell makes it; Go's own are not.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	return files(t, fds)
}

func sockets(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return files(t, fds)
}

func files(t *testing.T, fds [2]int) (a, b *os.File) {
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	a, b = os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// pty makes a terminal: what is written to keyboard is typed, and what is read from it is seen.
func pty(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var number int
	if err := control(keyboard, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	}); err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	fd, err := unix.Open(fmt.Sprint("/dev/pts/", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	tty = os.NewFile(uintptr(fd), "tty")
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

func termios(t *testing.T, f *os.File) (state unix.Termios) {
	t.Helper()
	if err := control(f, func(fd int) error {
		s, err := unix.IoctlGetTermios(fd, readTermios)
		if err == nil {
			state = *s
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return state
}

func isRaw(t *testing.T, f *os.File) bool {
	return termios(t, f).Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0
}

func flags(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	control(f, func(fd int) (err error) {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	})
	return flags
}

// book collects what comes out of a file.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
	done chan struct{}
}

func collect(f *os.File) *book {
	b := &book{done: make(chan struct{})}
	go func() {
		defer close(b.done)
		buffer := make([]byte, 4096)
		for {
			n, err := f.Read(buffer)
			b.mu.Lock()
			b.text.Write(buffer[:n])
			b.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return b
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
