package autossh

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel"
)

// fakePath is a server on this machine. What is written to it goes to target, where there is one.
type fakePath struct {
	target atomic.Pointer[string]
	taken  bool // every port but the one that it chooses
	denies bool // every port
	eats   bool // takes connections and passes nothing on
	asked  atomic.Int32
	left   atomic.Int32 // ports that were given up
	done   chan struct{}
	ask    func(ctx context.Context, port int) (int, error) // ListenBack; nil: as the fields above say
}

func (p *fakePath) Done() <-chan struct{} { return p.done }

func (p *fakePath) ListenBack(ctx context.Context, port int, target string) (int, func(context.Context) error, error) {
	p.asked.Add(1)
	giveUp := func(context.Context) error { p.left.Add(1); return nil }
	if p.ask != nil {
		bound, err := p.ask(ctx, port)
		return bound, giveUp, err
	}
	if p.denies || p.taken && port != 0 {
		return 0, nil, tunnel.ErrListenDenied
	}
	p.target.Store(&target)
	return max(port, 1), giveUp, nil
}

func (p *fakePath) Carry(ctx context.Context, conn *net.TCPConn, _ int) error {
	defer conn.Close()
	if p.eats {
		<-ctx.Done()
		return nil
	}
	out, err := net.Dial("tcp", *p.target.Load())
	if err != nil {
		return err
	}
	defer out.Close()
	io.Copy(out, conn)
	return nil
}

// newLoop returns a loop with ports of its own, and the file that it logs to.
func newLoop(t *testing.T, change func(*spec.Command)) (*Loop, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	c := &spec.Command{Name: "autossh", Monitor: spec.Monitor{Port: free.Addr().(*net.TCPAddr).Port}}
	c.Settings = spec.Settings{Poll: 20 * time.Millisecond, FirstPoll: 20 * time.Millisecond, NetTimeout: 300 * time.Millisecond,
		LogFile: path, LogFileSet: true, LogLevel: spec.LevelDebug, Message: "a word"}
	if change != nil {
		change(c)
	}
	log, err := OpenLog(c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	l, err := OpenLoop(t.Context(), c, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, path
}

// endWhenTested ends the connection once a test of it has passed, or will not any more.
func endWhenTested(p *fakePath, log string) {
	go func() {
		defer close(p.done)
		late := time.After(20 * time.Second)
		for tick := time.Tick(10 * time.Millisecond); !strings.Contains(logged(log), "connection ok"); {
			select {
			case <-tick:
			case <-late:
				return
			}
		}
	}()
}

func logged(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func TestLoopPassesUntilTheConnectionEnds(t *testing.T) {
	l, log := newLoop(t, nil)
	p := &fakePath{done: make(chan struct{})}
	endWhenTested(p, log)
	if err := l.Watch(t.Context(), p, time.Now())(); err != nil {
		t.Errorf("%v, and the log has\n%s", err, logged(log))
	}
	if !strings.Contains(logged(log), "connection ok") {
		t.Errorf("no test has passed:\n%s", logged(log))
	}
}

// Whoever knocks at the monitor port while there is no connection takes no room from the tests of the next one.
func TestKnocksWithoutAConnectionTakeNoRoom(t *testing.T) {
	l, log := newLoop(t, nil)
	for range 2 * maxCarried {
		if conn, err := net.Dial("tcp", l.write.Addr().String()); err == nil { // else it was reset already
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}
	p := &fakePath{done: make(chan struct{})}
	endWhenTested(p, log)
	if err := l.Watch(t.Context(), p, time.Now())(); err != nil || !strings.Contains(logged(log), "connection ok") {
		t.Errorf("%v, and the log has\n%s", err, logged(log))
	}
}

func TestLoopThatDoesNotComeBackIsDown(t *testing.T) {
	l, log := newLoop(t, nil)
	p := &fakePath{done: make(chan struct{}), eats: true}
	began := time.Now()
	if err := l.Watch(t.Context(), p, time.Now())(); !errors.Is(err, ErrPortDown) {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
	for _, words := range []string{"timeout polling to accept read connection", "port down, restarting ssh"} {
		if !strings.Contains(logged(log), words) {
			t.Errorf("the log lacks %q:\n%s", words, logged(log))
		}
	}
}

func TestLoopThroughAnotherPortOfTheServer(t *testing.T) {
	l, log := newLoop(t, nil)
	p := &fakePath{done: make(chan struct{}), taken: true}
	endWhenTested(p, log)
	if err := l.Watch(t.Context(), p, time.Now())(); err != nil || p.asked.Load() != 2 {
		t.Errorf("%v after asking for %d ports", err, p.asked.Load())
	}
	if !strings.Contains(logged(log), "is taken at the server, which chose 1 in its place") || !strings.Contains(logged(log), "connection ok") {
		t.Errorf("the log has\n%s", logged(log))
	}
}

func TestLoopThatTheServerForbids(t *testing.T) {
	l, log := newLoop(t, nil)
	if err := l.Watch(t.Context(), &fakePath{done: make(chan struct{}), denies: true}, time.Now())(); err != nil {
		t.Errorf("%v", err)
	}
	if !strings.Contains(logged(log), "by keepalives alone") {
		t.Errorf("the log has\n%s", logged(log))
	}
}

func TestLoopPortThatIsTakenHere(t *testing.T) {
	other, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := portOf(other.(*net.TCPListener))
	l, log := newLoop(t, func(c *spec.Command) { c.Monitor.Port = taken })
	if portOf(l.write) == taken || !strings.Contains(logged(log), "is taken here") {
		t.Errorf("port %d; the log has\n%s", portOf(l.write), logged(log))
	}
}

// A line of ssh's stands where ssh would have written it, and in autossh's log.
func TestLogHasBothPrograms(t *testing.T) {
	dir := t.TempDir()
	var stderr strings.Builder
	c := &spec.Command{Name: "autossh", SSHLog: spec.SSHLog{File: filepath.Join(dir, "ssh")}}
	c.Settings = spec.Settings{LogFile: filepath.Join(dir, "log"), LogFileSet: true, LogLevel: spec.LevelInfo}
	log, err := OpenLog(c, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	log.Say(spec.StartingSSH(1, -1), spec.ConnectionOK())
	log.SSH(Error, "bob@host: Permission denied (publickey).")
	log.SetGrade(Quiet)
	log.SSH(Error, "not said")
	log.Close()
	if got := logged(c.SSHLog.File); got != "bob@host: Permission denied (publickey).\r\n" {
		t.Errorf("-E has %q", got)
	}
	got := logged(c.Settings.LogFile)
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "starting ssh (count 1)\n") || !strings.Contains(got, "Permission denied") || stderr.Len() > 0 {
		t.Errorf("the log has\n%s\nstandard error %q", got, stderr.String())
	}
}
