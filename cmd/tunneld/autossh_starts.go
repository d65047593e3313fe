package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// errRestart ends a connection in whose place autossh wants another: SIGUSR1, or a test of the loop that failed.
var errRestart = &fault.Error{Phase: fault.PhaseSession, Err: errors.New("to be started again")}

// statusError ends a connection whose session has ended by itself.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("the session ended with status %d", e.status)
}

// starts counts the attempts, each of which is a start of ssh for autossh, and knows the last one.
type starts struct {
	mu      sync.Mutex // guards all following fields
	count   int
	at      time.Time               // of the last one
	cancel  context.CancelCauseFunc // of the attempt; nil: none runs
	attempt int                     // the number of that one
	session monitor.Session         // that came of it; nil: none yet
	worked  chan struct{}           // closed when the work on it has ended; nil: there is none
}

var errNoMoreStarts = errors.New("AUTOSSH_MAXSTART is reached")

// begin counts one, unless there were most already; negative: any number.
func (s *starts) begin(most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most >= 0 && s.count >= most {
		return errNoMoreStarts
	}
	s.count++
	s.at, s.session = time.Now(), nil
	return nil
}

// set notes how the attempt that begins is ended, until the function that it returns is called.
func (s *starts) set(cancel context.CancelCauseFunc) (forget func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt++
	mine := s.attempt
	s.cancel = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.attempt == mine { // else another has begun in its place
			s.cancel = nil
		}
	}
}

// lives reports whether the connection of the last start does. An attempt beside it is no start: autossh knows of none.
func (s *starts) lives() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return false
	}
	select {
	case <-s.session.Done():
		return false
	default:
		return true
	}
}

func (s *starts) joined(session monitor.Session) (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
	return s.at
}

// work notes that work is done on the last connection until done is closed.
func (s *starts) work(done chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worked = done
}

var errAtWork = errors.New("a session is under way, which cannot move to another connection")

// awaitWork waits until the terminal is free again after the end of a connection. While the connection lives no other is begun.
func (s *starts) awaitWork(ctx context.Context) error {
	s.mu.Lock()
	session, worked := s.session, s.worked
	s.mu.Unlock()
	if session == nil || worked == nil {
		return nil
	}
	select {
	case <-session.Done():
	case <-worked:
	default:
		return errAtWork
	}
	select {
	case <-worked:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// end ends what the last start has come to.
func (s *starts) end(why error) {
	s.mu.Lock()
	cancel, session := s.cancel, s.session
	s.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
	if session != nil {
		session.CloseWith(why)
	}
}

func (s *starts) last() (count int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.at
}

// countedTunnel has each attempt counted and each connection watched.
type countedTunnel struct {
	monitor.Tunnel
	run *autosshRun
}

// Connect is for monitor.Tunnel.
func (t countedTunnel) Connect(ctx context.Context) (monitor.Session, error) {
	s := &t.run.starts
	if err := s.awaitWork(ctx); err != nil {
		return nil, err
	}
	if s.lives() {
		return t.Tunnel.Connect(ctx)
	}
	if err := s.begin(t.run.command.Settings.MaxStart); err != nil {
		return nil, err
	}
	t.run.sayStart()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer s.set(cancel)()
	session, err := t.Tunnel.Connect(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errRestart) {
		return nil, errRestart
	}
	return session, err
}

// Join is for monitor.Tunnel.
func (t countedTunnel) Join(s monitor.Session) {
	t.Tunnel.Join(s)
	if t.run.starts.lives() { // s takes its place
		t.run.starts.begin(-1)
		t.run.sayStart()
	}
	t.run.watch(s, t.run.starts.joined(s))
}

func (a *autosshRun) sayStart() {
	count, _ := a.starts.last()
	pid := os.Getpid()
	a.log.Say(autossh.StartingSSH(count, a.command.Settings.MaxStart), autossh.ChildPID(pid), autossh.CheckOnChild(pid))
}

// watch does what there is to do on a connection for as long as it lives: tests of the loop, and the session.
func (a *autosshRun) watch(s monitor.Session, started time.Time) {
	connection, ok := s.(front.Connection)
	if !ok {
		return
	}
	if a.loop != nil {
		a.tasks.Go(func() {
			if err := a.loop.Watch(context.Background(), connection, started); err != nil {
				s.CloseWith(errRestart)
			}
		})
	}
	if a.work == nil {
		return
	}
	done := make(chan struct{})
	a.starts.work(done)
	a.tasks.Go(func() {
		defer close(done)
		if status, ended := a.work.Do(context.Background(), connection); ended {
			s.CloseWith(&statusError{status})
		}
	})
}

// sshPatience is how long ssh waits for a host that does not answer, where ConnectTimeout is not set: as Linux does.
const sshPatience = 127 * time.Second

// unanswered is what an attempt lasts at least that a host has not answered. A shorter one ran out of something else here.
const unanswered = 20 * time.Second

// decide applies autossh's rules to the end of an attempt or of a connection.
func (a *autosshRun) decide(e monitor.Ended) (time.Duration, error) {
	count, at := a.starts.last()
	end := autossh.End{Status: autossh.StatusFailed, Starts: count, Took: time.Since(at), Age: time.Since(a.began)}
	var exited *statusError
	switch {
	case errors.Is(e.Err, errRestart):
		end.Cause = autossh.CauseRestart
	case errors.As(e.Err, &exited):
		end.Status = exited.status
	case errors.Is(e.Err, errNoMoreStarts):
		end.Cause = autossh.CauseRestart
	default:
		a.explain(e.Err)
		if front.IsTimeout(e.Err) && end.Took > unanswered && a.runner.plan.options.Source("ConnectTimeout").File == "default" {
			end.Took = max(end.Took, sshPatience) // which is what the gate and the backoff are made for
		}
	}
	v := a.rules.Next(end)
	a.log.Say(v.Log...)
	if v.Exit {
		return 0, &exit.Error{Code: v.Code}
	}
	return v.Wait, nil
}

// explain says what ssh would have said.
func (a *autosshRun) explain(err error) {
	ssh, more := front.Words(err, a.runner.plan.options)
	a.log.SSH(front.Error, ssh...)
	a.log.SSH(front.Info, more...)
}
