package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// Why a forward takes no more connections for now. The words are for the log, the status and health.
var (
	errManyFiles   = errors.New("almost as many files are open as the limit allows (ulimit -n)")
	errManyClients = errors.New("its connections have used up its share of the files that may be open (ulimit -n); more wait for others to end")
	errManyInbound = errors.New("the server has opened as many connections as are allowed, more are refused")
	errManyTarget  = errors.New("too many connections already wait for this target, more are refused")
)

const (
	limitedEvery = time.Minute      // how often at most a person is told of it
	limitedShown = 10 * time.Second // how long the status shows it after the last time
)

// limited is the bound that a forward has met last. The zero value is ready: none.
type limited struct {
	mu      sync.Mutex // guards all following fields
	why     error
	at      time.Time // when it was met
	waiting int       // accept loops that it keeps waiting now
	told    time.Time // when a person was told
}

// noteRefused notes that a connection was refused.
func (l *limited) noteRefused(log *slog.Logger, why error) { l.met(log, "connections refused", why, 0) }

// wait notes that connections have to wait in the kernel's queue. They do until the function that it returns is called.
func (l *limited) wait(log *slog.Logger, why error) (over func()) {
	l.met(log, "connections wait for others to end", why, 1)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting--
		l.at = time.Now()
	}
}

func (l *limited) met(log *slog.Logger, message string, why error, waiting int) {
	l.mu.Lock()
	now := time.Now()
	l.why, l.at = why, now
	l.waiting += waiting
	tell := l.told.IsZero() || now.Sub(l.told) > limitedEvery
	if tell {
		l.told = now
	}
	l.mu.Unlock()
	if tell {
		log.Warn(message, "err", why)
	}
}

// text returns which bound is met now or was a moment ago, in words; empty: none.
func (l *limited) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil || l.waiting == 0 && time.Since(l.at) > limitedShown {
		return ""
	}
	return l.why.Error()
}

// UnreachableError says that the connection to a forward's target could not be made. It is usually a mistake in the target.
type UnreachableError struct {
	Target config.Endpoint
	Here   bool  // this machine has tried, for a -R; else the server
	Err    error // of an attempt by the server an *ssh.OpenChannelError
}

// Error returns the cause without the words of the protocol.
func (e *UnreachableError) Error() string {
	target := foreign.Line(endpointText(e.Target)).String()
	refused, ok := errors.AsType[*ssh.OpenChannelError](e.Err)
	switch {
	case e.Here:
		return fmt.Sprintf("this machine cannot reach %s: %s", target, refusalText(e.Err))
	case !ok:
		return fmt.Sprintf("the server cannot reach %s: %s", target, e.Err)
	case refused.Reason == ssh.Prohibited:
		return fmt.Sprintf("the server does not allow connections to %s", target)
	case refused.Message == "":
		return fmt.Sprintf("the server cannot reach %s: %s", target, refused.Reason)
	}
	return fmt.Sprintf("the server cannot reach %s: %s", target, refused.Message)
}

// Unwrap is for the errors package.
func (e *UnreachableError) Unwrap() error { return e.Err }

// unreachable returns a refusal by the server as an UnreachableError, and any other error as it is.
func unreachable(target config.Endpoint, err error) error {
	if _, refused := errors.AsType[*ssh.OpenChannelError](err); refused {
		return &UnreachableError{Target: target, Err: err}
	}
	return err
}

// Reach has the server connect to target and hang up.
func (s *Session) Reach(ctx context.Context, target config.Endpoint) error {
	kind, payload := openPayload(target, nil)
	conn, err := s.open(ctx, "stdio", kind, payload)
	if err != nil {
		return &UnreachableError{Target: target, Err: err}
	}
	return conn.Close()
}

// How often at most a person is told of a target that cannot be reached.
const (
	sameTargetEvery  = 15 * time.Minute // while the cause is the same: programs try again without end
	otherTargetEvery = time.Minute      // where it is another
)

// wrongTarget is what a person was told last. The zero value is ready: nothing.
type wrongTarget struct {
	mu   sync.Mutex // guards all following fields
	text string
	at   time.Time
	more int // connections since that nobody was told of
}

// tell logs err, unless that was done a short time ago.
func (w *wrongTarget) tell(log *slog.Logger, err error) {
	more, now := w.due(err.Error(), time.Now())
	if !now {
		return
	}
	attrs := []any{"err", err}
	if more > 0 {
		attrs = append(attrs, "more", more)
	}
	log.Warn("connection refused: its target cannot be reached", attrs...)
}

// due reports whether a person is to be told, and of how many more connections.
func (w *wrongTarget) due(text string, now time.Time) (more int, tell bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	every := sameTargetEvery
	if text != w.text {
		every = otherTargetEvery
	}
	if !w.at.IsZero() && now.Sub(w.at) < every {
		w.more++
		return 0, false
	}
	more, w.text, w.at, w.more = w.more, text, now, 0
	return more, true
}
