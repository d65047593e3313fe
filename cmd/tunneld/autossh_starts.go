package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// errRestart ends a connection in whose place autossh wants another.
var (
	errRestart  = errors.New("to be started again")
	errProdded  = &fault.Error{Phase: fault.PhaseSession, Err: fmt.Errorf("asked to by a signal: %w", errRestart)}
	errPortDown = &fault.Error{Phase: fault.PhaseSession, Err: fmt.Errorf("the test line did not come back: %w", errRestart)}
)

// statusError ends a connection whose session has ended by itself.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the session ended with status %d", e.status)
}

// countedTunnel has each attempt counted and each connection watched.
type countedTunnel struct {
	monitor.Tunnel
	run *autosshRun
}

// Connect is for monitor.Tunnel.
func (t countedTunnel) Connect(ctx context.Context) (monitor.Session, error) {
	s := &t.run.starts
	if err := s.AwaitWork(ctx); err != nil {
		return nil, err
	}
	if s.Lives() {
		return t.Tunnel.Connect(ctx)
	}
	fresh, err := s.Begin(t.run.command.Settings.MaxStart)
	if err != nil {
		return nil, err
	}
	if fresh {
		t.run.sayStart()
	}
	if err := t.run.ports.Bind(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.Set(cancel)()
	session, err := t.Tunnel.Connect(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errRestart) {
		return nil, cause
	}
	return session, err
}

// Join is for monitor.Tunnel.
func (t countedTunnel) Join(s monitor.Session) {
	conn, ok := s.(front.Connection)
	release := func() {}
	if ok {
		release = t.run.work.Reserve(conn)
	}
	t.Tunnel.Join(s)
	at, fresh := t.run.starts.Joined(s)
	if fresh {
		t.run.sayStart()
	}
	if ok {
		t.run.watch(s, conn, at, release)
	}
}

// Retire is for monitor.Tunnel. The monitor port at the server is given up first: the server frees it when it hears of the end of
// the connection, which may be after another has asked for it.
func (t countedTunnel) Retire(ctx context.Context, s monitor.Session) error {
	t.Leave(s)
	if path, ok := s.(front.Path); ok {
		t.run.loop.Leave(ctx, path)
	}
	return t.Tunnel.Retire(ctx, s)
}

func (a *autosshRun) sayStart() {
	last, most, pid := a.starts.Last(), a.command.Settings.MaxStart, os.Getpid()
	if most >= 0 {
		most += last.Free
	}
	a.log.Say(autossh.StartingSSH(last.Count, most), autossh.ChildPID(pid), autossh.CheckOnChild(pid))
}

// watch does what there is to do on a connection for as long as it lives: tests of the loop, and the session, which releases its
// place in the end.
func (a *autosshRun) watch(s monitor.Session, connection front.Connection, started time.Time, release func()) {
	if a.loop != nil {
		test := a.loop.Watch(context.Background(), connection, started)
		a.tasks.Go(func() {
			if err := test(); err != nil {
				s.CloseWith(errPortDown)
			}
		})
	}
	if a.work == nil {
		return
	}
	done := make(chan struct{})
	working, leave := context.WithCancel(context.Background())
	a.starts.Work(done, leave)
	a.tasks.Go(func() {
		defer close(done)
		defer leave()
		defer release()
		if status, ended := a.work.Do(working, connection); ended {
			s.CloseWith(&statusError{status})
		}
	})
}

// sshPatience is how long ssh waits for a host that does not answer, where ConnectTimeout is not set: as Linux does.
const sshPatience = 127 * time.Second

// unanswered is what an attempt lasts at least that a host has not answered. A shorter one ran out of something else here.
const unanswered = 20 * time.Second

// decide applies autossh's rules to the end of an attempt or of a connection. Without the terminal that a person had there is no other.
func (a *autosshRun) decide(e monitor.Ended) (time.Duration, error) {
	if a.work.HungUp() {
		a.sayStop(syscall.SIGHUP)
		return 0, &exit.Error{Code: exit.GaveUp}
	}
	last := a.starts.Last()
	end := autossh.End{Status: autossh.StatusFailed, Starts: last.Count, Free: last.Free, Took: time.Since(last.At), Age: time.Since(a.began)}
	var exited *statusError
	switch {
	case errors.Is(e.Err, errRestart):
		end.Cause = autossh.CauseRestart
	case errors.As(e.Err, &exited):
		end.Status = exited.status
	case errors.Is(e.Err, front.ErrNoMoreStarts):
		end.Cause = autossh.CauseRestart
	default:
		a.explain(e.Err)
		if front.IsTimeout(e.Err) && end.Took > unanswered && a.runner.plan.options.Source("ConnectTimeout").File == "default" {
			end.Took = max(end.Took, sshPatience) // which is what the gate and the backoff are made for
		}
	}
	v := a.rules.Next(end)
	if v.Exit {
		a.log.SayLast(v.Log...)
		return 0, &exit.Error{Code: v.Code}
	}
	a.log.Say(v.Log...)
	a.starts.Judged(v.Wait)
	if fault.PhaseOf(e.Err) == fault.PhaseListen {
		return max(v.Wait, listenPause), nil
	}
	return v.Wait, nil
}

// explain says what ssh would have said.
func (a *autosshRun) explain(err error) {
	ssh, more := front.Words(err, a.runner.now(), &a.reached)
	a.log.SSH(front.SaidAt(err), ssh...)
	a.log.Add(more)
}

// listenPause is at least between two tries of a port: binding takes no time, where ssh takes that of a login.
const listenPause = 200 * time.Millisecond

// listen binds the local forwards. The end of ctx cuts them off.
func (a *autosshRun) listen(ctx context.Context) error {
	change := a.process.sockets.Begin()
	defer change.End()
	if err := change.Listen(ctx, a.runner.tunnel); err != nil {
		return err
	}
	a.log.SayNoForwards(a.runner.tunnel.Forwards())
	return nil
}
