package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

func TestConnectsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.expect(Up)
		if err := w.finish(); err != nil {
			t.Fatalf("Run gave %v", err)
		}
		w.expect(Stopped)
		if !w.tunnel.shut {
			t.Error("the tunnel was not shut down")
		}
		if err := w.Reconnect(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("Reconnect after the end gave %v", err)
		}
	})
}

func TestLostConnectionIsRetriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		w.tunnel.session(t).CloseWith(errors.New("reset by peer"))
		synctest.Wait()
		w.expect(Up)
		s := w.Status()
		if s.Reconnects != 1 || s.LastError == nil || s.LastError.Phase != "session" {
			t.Errorf("status %+v", s)
		}
		if len(w.log.lines("connection lost", "reset by peer", "retry_in=0s")) != 1 {
			t.Errorf("log:\n%s", w.log)
		}
		w.finish()
	})
}

// Two minutes and more of an outage: the first retry at once, then 0.5 s that doubles to BackoffMax, ±50 %.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, options(), down)
		w.pass(10 * time.Minute)
		w.expect(Waiting)
		want := []time.Duration{0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 40000, 40000} // ms
		for i, middle := range want {
			wait := down.attempts[i+1] - down.attempts[i]
			middle *= time.Millisecond
			if wait < middle/2 || wait > middle*3/2 {
				t.Errorf("wait %d was %v, want %v ± 50 %%", i+1, wait, middle)
			}
		}
		for i := range down.attempts[1:] {
			if wait := down.attempts[i+1] - down.attempts[i]; wait > time.Minute {
				t.Errorf("wait %d was %v, longer than TunneldBackoffMax", i+1, wait)
			}
		}
		if last := down.attempts[len(down.attempts)-1]; last < 8*time.Minute {
			t.Errorf("last attempt after %v: it gave up", last)
		}
		s := w.Status()
		if s.Attempts != down.count() || s.RetryAt.IsZero() || s.LastError.Text.String() != refusedDial().Error() {
			t.Errorf("status %+v", s)
		}
		w.finish()
	})
}

// A server that accepts and hangs up must not make us spin, and a link that is cut a few times must not make us wait.
func TestShortSessionsDoNotResetBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			time.AfterFunc(100*time.Millisecond, func() { s.CloseWith(errors.New("hung up")) })
			return s, nil
		}}
		w := start(t, options(), f)
		w.pass(2 * time.Minute)
		if n := f.count(); n < maxShortLived+7 || n > maxShortLived+14 {
			t.Errorf("%d attempts in two minutes", n)
		}
		for i := range maxShortLived {
			if wait := f.attempts[i+1] - f.attempts[i]; wait > 100*time.Millisecond {
				t.Errorf("after session %d, cut young, it waited", i+1)
			}
		}
		w.finish()
	})
}

// Under ExitOnForwardFailure a port that is taken must not cost a burst of logins, which fail2ban and PerSourcePenalties punish.
func TestRefusedForwardIsNotForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			time.AfterFunc(2*time.Millisecond, func() {
				s.CloseWith(&fault.Error{Phase: fault.PhaseForward, Err: errors.New("remote port forwarding failed")})
			})
			return s, nil
		}}
		w := start(t, options(), f)
		w.pass(3 * time.Second)
		if n := f.count(); n > 5 {
			t.Errorf("%d logins in three seconds", n)
		}
		w.finish()
	})
}

func TestLongSessionResetsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			if n < 8 {
				return nil, refusedDial()
			}
			return newFakeSession(n), nil
		}}
		w := start(t, options(), f)
		w.within(3*time.Minute, Up)
		w.pass(settled)
		for range 20 { // each after a settled session: back at once
			w.tunnel.session(t).Close()
			synctest.Wait()
			w.expect(Up)
			w.pass(settled)
		}
		w.finish()
	})
}

// The time a session lived counts towards the wait: cuts every few seconds cost nothing.
func TestLivedTimeCountsTowardsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		for i := range 50 {
			w.pass(5 * time.Second)
			w.tunnel.session(t).Close()
			synctest.Wait()
			if w.Status().State != Up {
				t.Fatalf("cut %d: not back at once\n%s", i+1, w.log)
			}
		}
		w.finish()
	})
}

func TestPermanentErrorsEndAtOnce(t *testing.T) {
	for name, err := range map[string]error{"host key": changedKey(), "authentication": refusedKey()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTunnel{connect: refuse(err)}
				w := start(t, options(), f)
				got := <-w.ended
				if !errors.Is(got, err) || f.count() != 1 || time.Since(f.began) != 0 {
					t.Errorf("Run gave %v after %d attempts and %v", got, f.count(), time.Since(f.began))
				}
				w.expect(Failed)
				if s := w.Status(); s.LastError == nil || s.LastError.Hint == "" {
					t.Errorf("last error %+v", s.LastError)
				}
				if err := w.Reconnect(t.Context()); !errors.Is(err, ErrStopped) {
					t.Errorf("Reconnect gave %v", err)
				}
			})
		})
	}
}

// A key that is refused after the tunnel was up is tried again, at the longest wait, and no nudge hastens it.
func TestRefusedLaterIsRetriedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		f.connect = func(_ context.Context, n int) (*fakeSession, error) {
			if n > 1 {
				return nil, refusedKey()
			}
			return newFakeSession(n), nil
		}
		w := start(t, options(), f)
		w.pass(time.Minute)
		f.session(t).Close()
		synctest.Wait()
		w.expect(Waiting)
		w.Nudge("network changed")
		w.pass(15 * time.Second)
		if n := f.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
		w.pass(10 * time.Minute)
		if n := f.count(); n < 10 || n > 32 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		before := f.count()
		if err := w.Reconnect(t.Context()); !errors.Is(err, refusedKey()) && err.Error() != refusedKey().Error() {
			t.Errorf("Reconnect gave %v", err)
		}
		if f.count() != before+1 {
			t.Error("Reconnect did not try at once")
		}
		w.finish()
	})
}

func TestChangedHostKeyLaterIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		f.connect = func(_ context.Context, n int) (*fakeSession, error) {
			if n > 1 {
				return nil, changedKey()
			}
			return newFakeSession(n), nil
		}
		w := start(t, options(), f)
		w.pass(time.Minute)
		f.session(t).Close()
		if err := <-w.ended; err == nil || err.Error() != changedKey().Error() {
			t.Errorf("Run gave %v", err)
		}
		w.expect(Failed)
	})
}

func TestStopWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(ctx context.Context, n int) (*fakeSession, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		w := start(t, options(), f)
		w.pass(time.Hour)
		w.expect(Connecting)
		w.stop()
		synctest.Wait()
		w.expect(Stopped)
		if err := <-w.ended; err != nil {
			t.Errorf("Run gave %v", err)
		}
	})
}

// A session that an abandoned attempt makes after all is closed.
func TestSessionThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := newFakeSession(1)
		f := &fakeTunnel{connect: func(ctx context.Context, n int) (*fakeSession, error) {
			<-ctx.Done()
			return late, nil
		}}
		w := start(t, options(), f)
		w.finish()
		if late.Err() == nil {
			t.Error("it was left open")
		}
	})
}

func TestStopWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, options(), f)
		w.pass(time.Minute)
		w.expect(Waiting)
		if err := w.finish(); err != nil {
			t.Errorf("Run gave %v", err)
		}
	})
}

func TestDecideSetsALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, options(), f, func(c *Config) {
			ends := 0
			c.Decide = func(Ended) (time.Duration, error) {
				if ends++; ends == 3 {
					return 0, ErrGaveUp
				}
				return time.Second, nil
			}
		})
		if err := <-w.ended; !errors.Is(err, ErrGaveUp) {
			t.Errorf("Run gave %v", err)
		}
		if n, took := f.count(), time.Since(f.began); n != 3 || took != 2*time.Second {
			t.Errorf("%d attempts in %v", n, took)
		}
	})
}

// The loop turns in every state: that is what a watchdog feeds on.
func TestTurned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		f.connect = func(ctx context.Context, n int) (*fakeSession, error) {
			switch {
			case n == 1:
				return newFakeSession(n), nil
			case time.Since(f.began) < 4*time.Minute:
				return nil, refusedKey()
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		w := start(t, options(), f)
		seen := map[State]bool{}
		for i := range 400 {
			w.pass(time.Second)
			if age := time.Since(w.Heartbeat()); age > quietTurn+time.Second {
				t.Fatalf("%s: last turn %v ago", w.Status().State, age)
			}
			seen[w.Status().State] = true
			if i == 100 {
				f.session(t).freeze()
			}
		}
		for _, s := range []State{Up, Suspect, Waiting, Connecting} {
			if !seen[s] {
				t.Errorf("%s was never seen", s)
			}
		}
		w.finish()
		w.pass(time.Minute)
		if time.Since(w.Heartbeat()) != 0 {
			t.Error("a monitor that has ended looks stuck")
		}
	})
}
