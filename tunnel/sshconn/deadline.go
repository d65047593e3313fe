package sshconn

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// deadline ends an attempt to connect. It stands still while a person is asked, and only then.
type deadline struct {
	limit  time.Duration
	cancel context.CancelCauseFunc

	mu      sync.Mutex // guards all following
	timer   *time.Timer
	left    time.Duration // at the time the timer was last started
	started time.Time     // when the timer was last started
	asking  int           // questions that wait for an answer; the timer is stopped unless 0
	over    bool
}

// timeoutError is why an attempt ended that got no answer in time.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %v", e.limit) }
func (e *timeoutError) Timeout() bool { return true }

// withDeadline returns a context that ends after limit, with a *timeoutError as its cause. The caller calls stop.
func withDeadline(ctx context.Context, limit time.Duration) (context.Context, *deadline) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &deadline{limit: limit, cancel: cancel, left: limit, started: time.Now()}
	d.timer = time.AfterFunc(limit, func() { cancel(&timeoutError{limit: limit}) })
	return ctx, d
}

// pauseForPrompt is called with true before a person is asked and with false after.
func (d *deadline) pauseForPrompt(asking bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.over:
	case asking:
		d.asking++
		if d.asking == 1 && d.timer.Stop() {
			d.left -= time.Since(d.started)
		}
	case d.asking > 0:
		d.asking--
		if d.asking == 0 {
			d.started = time.Now()
			d.timer.Reset(max(d.left, 0))
		}
	}
}

// isOver reports whether stop was called: nobody waits for the attempt any more.
func (d *deadline) isOver() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// stop ends the deadline and its context.
func (d *deadline) stop() {
	d.mu.Lock()
	d.over = true
	d.timer.Stop()
	d.mu.Unlock()
	d.cancel(nil)
}

// exempt returns an Asker whose questions stop the clock; nil for nil.
func (d *deadline) exempt(ask Asker) Asker {
	if ask == nil {
		return nil
	}
	return pausingAsker{ask, d}
}

type pausingAsker struct {
	ask      Asker
	deadline *deadline
}

func (p pausingAsker) Secret(ctx context.Context, prompt string) (string, error) {
	p.deadline.pauseForPrompt(true)
	defer p.deadline.pauseForPrompt(false)
	return p.ask.Secret(ctx, prompt)
}

func (p pausingAsker) Confirm(ctx context.Context, prompt, also string) (bool, error) {
	p.deadline.pauseForPrompt(true)
	defer p.deadline.pauseForPrompt(false)
	return p.ask.Confirm(ctx, prompt, also)
}
