package autossh

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel"
)

// newQuietLoop returns a loop without listeners, for the time of synctest, and the file that it logs to. What enters it comes back
// unless it goes to the port astray of the server.
func newQuietLoop(t *testing.T, astray int) (*Loop, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c := &spec.Command{Name: "autossh", Monitor: spec.Monitor{Port: 20000}}
	c.Settings = spec.Settings{Poll: 10 * time.Minute, FirstPoll: 10 * time.Minute, NetTimeout: 15 * time.Second,
		LogFile: path, LogFileSet: true, LogLevel: spec.LevelDebug}
	log, err := OpenLog(c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	p := &pipes{back: make(chan net.Conn, 1)}
	l := &Loop{log: log, name: c.Name, monitor: c.Monitor, settings: c.Settings, read: p}
	l.enter = func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		_, port := l.way()
		go func() {
			line := make([]byte, 200)
			n, err := far.Read(line)
			if err != nil || port == astray {
				io.Copy(io.Discard, far)
				return
			}
			in, back := net.Pipe()
			defer back.Close()
			back.SetWriteDeadline(time.Now().Add(time.Minute)) // who waited may have gone
			select {
			case p.back <- in:
				back.Write(line[:n])
			case <-time.After(time.Minute):
			}
		}()
		return near, nil
	}
	return l, path
}

// A monitor port that is taken at the server is asked for again, less and less often, and used once it is free.
func TestTakenMonitorPortIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := newQuietLoop(t, 0)
		free := time.Now().Add(5 * time.Minute)
		p := &fakePath{done: make(chan struct{})}
		p.ask = func(_ context.Context, port int) (int, error) {
			switch {
			case port == 0:
				return 40000, nil
			case time.Now().Before(free):
				return 0, tunnel.ErrListenDenied
			}
			return port, nil
		}
		ended := make(chan error, 1)
		test := l.Watch(t.Context(), p, time.Now())
		go func() { ended <- test() }()
		time.Sleep(time.Minute)
		if _, port := l.way(); port != 40000 {
			t.Errorf("while it is taken the loop goes through %d", port)
		}
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		if _, port := l.way(); port != 20000 || p.left.Load() != 1 {
			t.Errorf("when it is free the loop goes through %d, and %d ports were given up", port, p.left.Load())
		}
		if n := p.asked.Load(); n < 5 || n > 15 {
			t.Errorf("%d ports were asked for", n)
		}
		if !strings.Contains(logged(log), "monitor port 20000 is free at the server by now") {
			t.Errorf("the log has\n%s", logged(log))
		}
		close(p.done)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Where tests come more often than the port is asked for, it is asked for nevertheless.
func TestTakenMonitorPortIsAskedForBetweenTests(t *testing.T) {
	l, _ := newLoop(t, func(c *spec.Command) {
		c.Settings.Poll, c.Settings.FirstPoll = 300*time.Millisecond, 300*time.Millisecond
	})
	p := &fakePath{taken: true, done: make(chan struct{})}
	free := time.Now().Add(500 * time.Millisecond)
	target := l.read.Addr().String()
	p.target.Store(&target)
	p.ask = func(_ context.Context, port int) (int, error) {
		if port != 0 && time.Now().Before(free) {
			return 0, tunnel.ErrListenDenied
		}
		return max(port, 1), nil
	}
	go func() {
		defer close(p.done)
		late := time.After(20 * time.Second)
		for tick := time.Tick(10 * time.Millisecond); ; {
			if _, port := l.way(); port == l.monitor.Port {
				return
			}
			select {
			case <-tick:
			case <-late:
				t.Error("it was not asked for again")
				return
			}
		}
	}()
	if err := l.Watch(t.Context(), p, time.Now())(); err != nil {
		t.Error(err)
	}
}

// A server that has the port on one of its loopback addresses, where another program has it on the other, counts as one where it is
// taken: the loop goes through another port.
func TestMonitorPortThatLeadsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, log := newQuietLoop(t, 20000)
		p := &fakePath{done: make(chan struct{})}
		p.ask = func(_ context.Context, port int) (int, error) {
			if port == 0 {
				return 40000, nil
			}
			return port, nil
		}
		began := time.Now()
		time.AfterFunc(25*time.Minute, func() { close(p.done) })
		if err := l.Watch(t.Context(), p, began)(); err != nil || time.Since(began) != 25*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if left, asked := p.left.Load(), p.asked.Load(); left != asked-1 {
			t.Errorf("%d of %d ports were given up", left, asked)
		}
		text := logged(log)
		if strings.Count(text, "connection ok") != 2 || strings.Count(text, "is taken at the server") != 1 || strings.Contains(text, "by now") {
			t.Errorf("the log has\n%s", text)
		}
	})
}

// A connection that is replaced, and lives on for what it carries, is not tested any more: the tests would go through the other,
// and the end of that would be its own. It gives the monitor port up, and the other asks for it after that.
func TestReplacedConnectionIsNotTestedAnyMore(t *testing.T) {
	l, log := newLoop(t, nil)
	old, next := &fakePath{done: make(chan struct{})}, &fakePath{done: make(chan struct{})}
	ended := make(chan error, 2)
	test := l.Watch(t.Context(), old, time.Now())
	go func() { ended <- test() }()
	for looks, tick := 0, time.Tick(10*time.Millisecond); !strings.Contains(logged(log), "connection ok"); <-tick {
		if looks++; looks > 2000 {
			t.Fatal("no test has passed")
		}
	}
	next.eats = true
	next.ask = func(_ context.Context, port int) (int, error) {
		if old.left.Load() != 1 {
			t.Error("the port is asked for while the old connection has it")
		}
		return port, nil
	}
	test = l.Watch(t.Context(), next, time.Now())
	go func() { ended <- test() }()
	if err := <-ended; err != nil {
		t.Errorf("the watch over the old connection ends with %v", err)
	}
	if err := <-ended; !errors.Is(err, ErrPortDown) {
		t.Errorf("that over the other, which carries nothing, ends with %v", err)
	}
}

// Leave returns when the port is given up, whoever is tested by then.
func TestLeaveWaitsForThePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newQuietLoop(t, 0)
		old, next := &fakePath{done: make(chan struct{})}, &fakePath{done: make(chan struct{})}
		ended := make(chan error, 2)
		for _, p := range []*fakePath{old, next} {
			test := l.Watch(t.Context(), p, time.Now())
			go func() { ended <- test() }()
		}
		l.Leave(t.Context(), old)
		if old.left.Load() != 1 || next.left.Load() != 0 {
			t.Errorf("the old connection has given up %d ports, the other %d", old.left.Load(), next.left.Load())
		}
		synctest.Wait()
		if path, port := l.way(); path != next || port != 20000 {
			t.Errorf("the loop goes through port %d of %v", port, path)
		}
		l.Leave(t.Context(), next)
		if next.left.Load() != 1 {
			t.Errorf("%d ports were given up", next.left.Load())
		}
		(*Loop)(nil).Leave(t.Context(), next)
		<-ended
		<-ended
		<-time.After(2 * time.Minute) // what is on its way is given up
	})
}

// What is said where there is no loop, and what is not: a connection that dies while the port is asked for is no server that
// forbids it, and one that does not answer carries nothing.
func TestWordsWhereThePortDoesNotListen(t *testing.T) {
	down := errors.New("the ssh connection went down")
	for name, c := range map[string]struct {
		ask  func(*fakePath) func(context.Context, int) (int, error)
		want error
		says string // empty: nothing
	}{
		"forbidden": {func(*fakePath) func(context.Context, int) (int, error) {
			return func(context.Context, int) (int, error) { return 0, tunnel.ErrListenDenied }
		}, nil, "the server does not let the monitor port listen"},
		"dies": {func(p *fakePath) func(context.Context, int) (int, error) {
			return func(context.Context, int) (int, error) {
				time.AfterFunc(100*time.Millisecond, func() { close(p.done) })
				return 0, down
			}
		}, nil, ""},
		"dies after a refusal": {func(p *fakePath) func(context.Context, int) (int, error) {
			return func(_ context.Context, port int) (int, error) {
				if port != 0 {
					return 0, tunnel.ErrListenDenied
				}
				close(p.done)
				return 0, down
			}
		}, nil, ""},
		"silent": {func(*fakePath) func(context.Context, int) (int, error) {
			return func(ctx context.Context, _ int) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) }
		}, ErrPortDown, "port down, restarting ssh"},
		"nonsense": {func(*fakePath) func(context.Context, int) (int, error) {
			return func(context.Context, int) (int, error) { return 0, errors.New("no port was said") }
		}, nil, "the monitor port is of no use (no port was said)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, log := newQuietLoop(t, 0)
				p := &fakePath{done: make(chan struct{})}
				p.ask = c.ask(p)
				began := time.Now()
				if err := l.Watch(t.Context(), p, began)(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(began); took > 11*time.Minute {
					t.Errorf("that took %v", took)
				}
				text := logged(log)
				if !strings.Contains(text, c.says) || c.says == "" && (strings.Contains(text, "warning: ") || strings.Contains(text, "port down")) {
					t.Errorf("want %q; the log has\n%s", c.says, text)
				}
			})
		})
	}
}
