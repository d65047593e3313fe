package autossh

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// Starts counts the attempts, each of which is a start of ssh for autossh, and knows the last one. The zero value has none. Its
// methods may be called from any goroutine.
type Starts struct {
	mu      sync.Mutex // guards all following fields
	last    Start
	begun   bool                    // an end of it has not been judged yet
	due     time.Time               // when the rules have the next one begin
	cancel  context.CancelCauseFunc // of the attempt; nil: none runs
	attempt int                     // the number of that one
	session monitor.Session         // that came of it; nil: none yet
	worked  chan struct{}           // closed when the work on it has ended; nil: there is none
	leave   context.CancelFunc      // ends the work; nil: there is none
	left    bool                    // no work begins any more
}

// Start is the last one.
type Start struct {
	Count int       // its number, from 1; 0: there is none
	Free  int       // how many of these take nothing of AUTOSSH_MAXSTART: autossh would not have made them, or not yet
	At    time.Time // when it was begun
}

// ErrNoMoreStarts says that there were as many as AUTOSSH_MAXSTART allows.
var ErrNoMoreStarts = errors.New("AUTOSSH_MAXSTART is reached")

// Begin counts one, unless there were most already; negative: any number. fresh is false for an attempt in the place of one that
// was given up because the network has changed, or somebody asked: an ssh would have gone on connecting, and it is the same
// start. One that comes before it is due, for such a reason, is free.
func (s *Starts) Begin(most int) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := time.Now().Before(s.due)
	switch {
	case s.begun && s.session == nil:
		return false, nil
	case most >= 0 && s.last.Count-s.last.Free >= most && !early:
		return false, ErrNoMoreStarts
	}
	s.countLocked(early)
	return true, nil
}

func (s *Starts) countLocked(free bool) {
	s.last.Count++
	if free {
		s.last.Free++
	}
	s.last.At, s.begun, s.session = time.Now(), true, nil
}

// Judged notes that autossh's rules have been applied to the end of the last one, and have the next one begin after wait.
func (s *Starts) Judged(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun, s.due = false, time.Now().Add(wait)
}

// Set notes how the attempt that begins is ended, until the function that it returns is called.
func (s *Starts) Set(cancel context.CancelCauseFunc) (forget func()) {
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

// Lives reports whether the connection of the last start does. An attempt beside it is no start: autossh knows of none.
func (s *Starts) Lives() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.livesLocked()
}

func (s *Starts) livesLocked() bool {
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

// Joined notes the connection that the last start has come to, and returns when that was begun. fresh tells of one more start: the
// attempt ran beside another connection, in whose place this one is, for reasons that autossh has not, or which ended meanwhile.
func (s *Starts) Joined(session monitor.Session) (at time.Time, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lives := s.livesLocked()
	if fresh = lives || !s.begun; fresh {
		s.countLocked(lives)
	}
	s.session = session
	return s.last.At, fresh
}

// Work notes that work is done on the last connection until done is closed, and how it is ended.
func (s *Starts) Work(done chan struct{}, leave context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worked, s.leave = done, leave
	if s.left {
		leave()
	}
}

// StopWork ends the work, now and from now on: whoever reads what it writes may have stopped.
func (s *Starts) StopWork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
	if s.leave != nil {
		s.leave()
	}
}

// EndWork is StopWork that waits, but not for long, until the terminal is as it was found.
func (s *Starts) EndWork() {
	s.StopWork()
	s.mu.Lock()
	worked := s.worked
	s.mu.Unlock()
	if worked == nil {
		return
	}
	late := time.NewTimer(atOnceTime)
	defer late.Stop()
	select {
	case <-worked:
	case <-late.C:
	}
}

var errAtWork = errors.New("a session is under way, which cannot move to another connection")

// AwaitWork waits until the terminal is free again after the end of a connection. While the connection lives no other is begun.
func (s *Starts) AwaitWork(ctx context.Context) error {
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

// End ends what the last start has come to, and reports whether there was anything.
func (s *Starts) End(why error) bool {
	s.mu.Lock()
	cancel, session, lives := s.cancel, s.session, s.livesLocked()
	s.mu.Unlock()
	if cancel != nil {
		cancel(why)
	}
	if session != nil {
		session.CloseWith(why)
	}
	return cancel != nil || lives
}

// Last returns the last one.
func (s *Starts) Last() Start {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
