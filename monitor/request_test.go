package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// servedWithin checks that a person who asks has a new session within d.
func (w *world) servedWithin(d time.Duration) {
	w.t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(w.t.Context(), d+time.Hour) // of the fake clock: a test that fails does not hang
	defer cancel()
	if err := w.Reconnect(ctx); err != nil {
		w.t.Errorf("Reconnect gave %v\n%s", err, w.log)
	}
	if took := time.Since(begun); took > d {
		w.t.Errorf("served after %v\n%s", took, w.log)
	}
}

// Planned replacements have failed for a long time; the server answers when a person asks.
func TestReconnectDoesNotWaitOutTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.MaxLifetime = time.Hour
		f := &fakeTunnel{}
		w := start(t, o, f)
		w.pass(time.Minute)
		f.rule(refuse(refusedDial()))
		w.pass(90 * time.Minute)
		begun := time.Now()
		if err := w.Reconnect(t.Context()); !errors.Is(err, refusedDial()) && err == nil || time.Since(begun) > time.Second {
			t.Errorf("told of %v after %v", err, time.Since(begun))
		}
		f.rule(nil)
		w.servedWithin(time.Second)
		w.finish()
	})
}

// An attempt hangs in a network that is better by now.
func TestReconnectDoesNotWaitForAnAttemptThatHangs(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := options()
			o.MaxLifetime = time.Hour
			f := onlyOnce()
			w := start(t, o, f)
			w.pass(time.Minute)
			if down {
				w.tunnel.session(t).CloseWith(errors.New("reset by peer"))
			}
			w.pass(90 * time.Minute)
			f.rule(nil)
			w.servedWithin(time.Second)
			w.finish()
		})
	}
}

// Askers in a row do not starve each other where an attempt takes its time.
func TestReconnectAgainAndAgainIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(time.Minute)
		f.rule(func(ctx context.Context, n int) (*fakeSession, error) {
			select {
			case <-time.After(10 * time.Second):
				return newFakeSession(n), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		results := make(chan error, 10)
		for range cap(results) {
			go func() { results <- w.Reconnect(t.Context()) }()
			w.pass(2500 * time.Millisecond)
		}
		w.pass(20 * time.Second)
		for range cap(results) {
			select {
			case err := <-results:
				if err != nil {
					t.Error(err)
				}
			default:
				t.Fatal("somebody still waits")
			}
		}
		w.finish()
	})
}

// The options are replaced while an attempt by the old ones runs: who asks afterwards gets a session by the new ones.
func TestReconnectAfterAReloadIsNotServedByTheOldOptions(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeTunnel{}
			w := start(t, options(), f)
			w.pass(time.Minute)
			slow := func(_ context.Context, n int) (*fakeSession, error) { // whatever its context says
				<-time.After(time.Second)
				return newFakeSession(n), nil
			}
			f.rule(slow)
			if down {
				w.tunnel.session(t).CloseWith(errors.New("reset by peer"))
			} else {
				go w.Reconnect(t.Context())
			}
			w.pass(500 * time.Millisecond)
			w.Adopt(options())
			w.servedWithin(2 * time.Second)
			if n := w.tunnel.session(t).number; n != 3 {
				t.Errorf("down %v: session %d serves, want the third\n%s", down, n, w.log)
			}
			w.finish()
		})
	}
}

// The old session dies beside the attempt that somebody waits for, and attempts are being spaced.
func TestReconnectWhileTheSessionDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f, func(c *Config) {
			c.Decide = func(Ended) (time.Duration, error) { return time.Minute, nil }
		})
		w.pass(time.Minute)
		f.rule(func(ctx context.Context, n int) (*fakeSession, error) {
			select {
			case <-time.After(5 * time.Second):
				return newFakeSession(n), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		result := make(chan error, 1)
		begun := time.Now()
		go func() { result <- w.Reconnect(t.Context()) }()
		w.pass(3 * time.Second)
		w.tunnel.session(t).CloseWith(errors.New("reset by peer"))
		if err := <-result; err != nil || time.Since(begun) > 9*time.Second {
			t.Errorf("served after %v: %v\n%s", time.Since(begun), err, w.log)
		}
		w.finish()
	})
}

// Nobody uses the tunnel any more while somebody waits for a new session: he does not wait for ever.
func TestReconnectWhileItFallsAsleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		f := onlyOnce()
		w := start(t, o, f)
		f.wanted <- struct{}{}
		w.pass(50 * time.Second)
		w.expect(Up)
		result := make(chan error, 1)
		go func() { result <- w.Reconnect(t.Context()) }()
		w.pass(time.Minute)
		w.expect(Idle)
		select {
		case err := <-result:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("he still waits")
		}
		w.finish()
	})
}

// Somebody on the path answers with a key exchange that has nothing in common with ours: anybody could.
func TestHandshakeRefusedLaterIsRetriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonsense := &fault.Error{Phase: fault.PhaseHandshake, Permanent: true, Err: errors.New("no common algorithm")}
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(time.Minute)
		f.rule(refuse(nonsense))
		f.session(t).Close()
		w.pass(10 * time.Minute)
		w.expect(Waiting)
		if n := f.count(); n < 10 || n > 32 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		f.rule(nil)
		w.Nudge("network changed") // and who is on the path
		w.pass(time.Second)
		w.expect(Up)
		w.finish()

		never := start(t, options(), &fakeTunnel{connect: refuse(nonsense)})
		if err := <-never.ended; !errors.Is(err, nonsense) {
			t.Errorf("a tunnel that was never up went on: %v", err)
		}
	})
}
