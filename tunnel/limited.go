package tunnel

import (
	"errors"
	"log/slog"
	"sync"
	"time"
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

// wait notes that connections have to wait in the kernel's queue, until the function that it returns is called.
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

// text says which bound is met now or was a moment ago; empty: none.
func (l *limited) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil || l.waiting == 0 && time.Since(l.at) > limitedShown {
		return ""
	}
	return l.why.Error()
}
