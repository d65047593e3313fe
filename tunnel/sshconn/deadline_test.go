package sshconn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

func TestDeadlineEndsTheAttempt(t *testing.T) {
	for name, limit := range map[string]time.Duration{"set": 5 * time.Second, "default": config.DefaultConnectTimeout} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				ctx, d := withDeadline(t.Context(), limit)
				defer d.stop()
				<-ctx.Done()
				if took := time.Since(begun); took != limit {
					t.Errorf("over after %v, want %v", took, limit)
				}
				var late *timeoutError
				if !errors.As(context.Cause(ctx), &late) || !late.Timeout() {
					t.Errorf("cause %v", context.Cause(ctx))
				}
			})
		})
	}
}

func TestDeadlineStandsStillWhileAPersonThinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, d := withDeadline(t.Context(), 10*time.Second)
		defer d.stop()
		begun := time.Now()
		time.Sleep(4 * time.Second)
		d.pauseForPrompt(true)
		d.pauseForPrompt(true) // two hops may ask at the same time
		time.Sleep(time.Hour)
		d.pauseForPrompt(false)
		time.Sleep(time.Hour)
		if ctx.Err() != nil {
			t.Fatal("over while a person was asked")
		}
		d.pauseForPrompt(false)
		<-ctx.Done()
		if took := time.Since(begun) - 2*time.Hour; took != 10*time.Second {
			t.Errorf("over after %v besides the questions, want 10 s", took)
		}
	})
}

// thinker answers after a minute.
type thinker struct{}

func (thinker) Secret(context.Context, string) (string, error) {
	time.Sleep(time.Minute)
	return "", nil
}

func (thinker) Confirm(context.Context, string, string) (bool, error) {
	time.Sleep(time.Minute)
	return true, nil
}

func TestDeadlineExemptsAnAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, d := withDeadline(t.Context(), time.Second)
		defer d.stop()
		ask := d.exempt(thinker{})
		if yes, _ := ask.Confirm(ctx, "sure?", ""); !yes || ctx.Err() != nil {
			t.Error("a question ran into the deadline")
		}
		ask.Secret(ctx, "really?")
		if ctx.Err() != nil {
			t.Error("a question ran into the deadline")
		}
		if d.exempt(nil) != nil {
			t.Error("nobody became somebody")
		}
	})
}

func TestDeadlineStoppedStaysStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, d := withDeadline(t.Context(), time.Second)
		d.pauseForPrompt(true)
		d.stop()
		d.pauseForPrompt(false)
		time.Sleep(time.Minute)
		if context.Cause(ctx) != context.Canceled {
			t.Errorf("cause %v", context.Cause(ctx))
		}
	})
}
