package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// further makes a connection for sessions alone, with a quiet shell on it.
func (w *world) further() *fakeSession {
	w.t.Helper()
	s, err := w.annex(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	f := s.(*fakeSession)
	w.tunnel.mu.Lock()
	w.tunnel.further = append(w.tunnel.further, f)
	w.tunnel.mu.Unlock()
	f.set(func(s *fakeSession) { s.open, s.prompts = 1, 1 })
	return f
}

// takesNoMore reports whether it has been retired.
func (f *fakeTunnel) takesNoMore(s *fakeSession) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.retired {
		if other == s {
			return true
		}
	}
	return false
}

// Whatever ends a connection of the forwards, or has it replaced, does so to one that was made for sessions alone; a session
// on it goes on where the connection lives.
func TestFurtherConnectionIsWatchedAsTheOthersAre(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*config.Options)
		do     func(*world, *fakeSession)
		after  time.Duration // at the latest
		before time.Duration // not before
		lives  bool          // it is retired, else closed
	}{
		{name: "silence", do: func(_ *world, s *fakeSession) { s.freeze() }, before: 10 * time.Second, after: 50 * time.Second},
		{name: "sleep", do: func(w *world, s *fakeSession) { s.freeze(); w.Resumed(time.Hour) }, before: 3 * time.Second, after: 20 * time.Second},
		{name: "another network", do: func(w *world, s *fakeSession) { s.freeze(); w.Nudge("network changed") }, before: 4 * time.Second, after: 8 * time.Second, lives: true},
		{name: "lifetime", change: func(o *config.Options) { o.MaxLifetime = time.Hour }, before: 50 * time.Minute, after: 61 * time.Minute, lives: true},
		{name: "keys", do: func(_ *world, s *fakeSession) { s.set(func(s *fakeSession) { s.stale = "RekeyLimit reached" }) }, after: 2 * time.Minute, lives: true},
		{name: "data path", do: func(w *world, s *fakeSession) {
			w.pass(time.Minute)
			s.set(func(s *fakeSession) { s.badEcho = errors.New("refused") })
		}, after: 5 * time.Minute, lives: true},
		{name: "somebody asks for new ones", do: func(w *world, _ *fakeSession) { w.Reconnect(w.t.Context()) }, after: time.Second, lives: true},
		{name: "address gone", do: func(w *world, s *fakeSession) {
			s.set(func(s *fakeSession) { s.nowhere = true })
			s.freeze()
			w.Nudge("address removed")
			w.pass(time.Second)
			w.tunnel.session(w.t).Close() // the connection of the forwards is made anew
		}, after: 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				if c.change != nil {
					c.change(o)
				}
				w := start(t, o, &fakeTunnel{})
				s := w.further()
				w.pass(2 * time.Second) // its first probe is over
				if c.do != nil {
					c.do(w, s)
				}
				left := func() bool { return s.Err() != nil || w.tunnel.takesNoMore(s) }
				w.pass(c.before)
				if c.before > 0 && left() {
					t.Errorf("left within %v: %v\n%s", c.before, s.Err(), w.log)
				}
				w.pass(c.after - c.before)
				if !left() || (s.Err() == nil) != c.lives {
					t.Errorf("after %v: left %v, %v, want it to live: %v\n%s", c.after, left(), s.Err(), c.lives, w.log)
				}
				if w.expect(Up); len(*w.Monitor.further.Load()) > 0 {
					t.Error("it is still watched")
				}
				w.finish()
			})
		})
	}
}

func TestFurtherConnectionWithACertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		f.rule(func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			s.expires = time.Now().Add(time.Hour)
			return s, nil
		})
		s := w.further()
		w.pass(54 * time.Minute)
		if f.takesNoMore(s) {
			t.Error("too early")
		}
		w.pass(2 * time.Minute)
		if !f.takesNoMore(s) || s.Err() != nil {
			t.Errorf("before the certificate ends: %v\n%s", s.Err(), w.log)
		}
		w.finish()
	})
}

// It is there for as long as it carries something, shows in the status, and does not outlive Run.
func TestFurtherConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		s := w.further()
		s.set(func(s *fakeSession) { s.in = 500 })
		w.pass(time.Hour)
		if list := w.Status().Sessions; s.Err() != nil || len(list) != 2 || list[1].Slot != 0 || list[1].Open != 1 {
			t.Errorf("%v, %+v", s.Err(), list)
		}
		s.set(func(s *fakeSession) { s.open, s.prompts = 0, 0 })
		w.pass(annexIdle + 3*turnEvery)
		if s.Err() == nil || w.Status().BytesIn != 500 {
			t.Errorf("with nothing on it: %v, %d bytes\n%s", s.Err(), w.Status().BytesIn, w.log)
		}
		last := w.further()
		w.finish()
		if last.Err() == nil {
			t.Error("outlived Run")
		}
		if _, err := w.annex(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("after Run: %v", err)
		}
	})
}

// A server that lets nobody in any more is not asked for each session, nor is one that hangs up at once; what has changed since
// is a reason to ask.
func TestRefusedLoginsForSessionsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, failure := range []error{refusedDial(), refusedKey(), changedKey()} {
			f := &fakeTunnel{}
			w := start(t, options(), f)
			f.rule(refuse(failure))
			ask := func() {
				if _, err := w.annex(t.Context()); !errors.Is(err, failure) {
					t.Fatalf("gave %v", err)
				}
			}
			for range 600 {
				ask()
				w.pass(100 * time.Millisecond)
			}
			asked := f.count() - 1
			if asked < 2 || asked > 12 {
				t.Errorf("%v: %d logins in a minute", failure, asked)
			}
			w.Nudge("network changed")
			synctest.Wait()
			if ask(); f.count()-1 != asked+1 {
				t.Error("not tried when the network had changed")
			}
			if lines := w.log.lines("level=WARN", "no further connection"); len(lines) != 1 {
				t.Errorf("warned %d times", len(lines))
			}
			f.rule(nil)
			w.pass(time.Minute)
			w.further()
			w.finish()
		}
	})
}

func TestServerThatHangsUpOnSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		for range 600 {
			if s, err := w.annex(t.Context()); err == nil {
				s.Close()
			}
			w.pass(100 * time.Millisecond)
		}
		if n := f.count() - 1; n < 5 || n > 25 {
			t.Errorf("%d logins in a minute", n)
		}
		w.finish()
	})
}

// Logins side by side that fail are one failure, and one that nobody wants any more is none.
func TestFailuresSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		f.rule(func(ctx context.Context, _ int) (*fakeSession, error) {
			select {
			case <-time.After(time.Second):
				return nil, refusedDial()
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		for range 4 {
			go w.annex(ctx)
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		for range 4 {
			go w.annex(t.Context())
		}
		w.pass(2 * time.Second)
		if n := w.annexes.backoff.failures; n != 1 {
			t.Errorf("%d failures", n)
		}
		w.finish()
	})
}

// A shell at which nobody types is use.
func TestLazyTunnelWithAProgramThatRidesOnIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		f := &fakeTunnel{}
		w := start(t, o, f)
		f.wanted <- struct{}{}
		synctest.Wait()
		f.ride(tunnel.Carried{Open: 1, Total: 1})
		w.pass(time.Hour)
		w.expect(Up)
		if w.Status().Open != 1 {
			t.Errorf("%d open", w.Status().Open)
		}
		f.ride(tunnel.Carried{Total: 8}) // short ones, gone when one looks
		w.pass(58 * time.Second)
		w.expect(Up)
		w.pass(5 * time.Second)
		w.expect(Idle)
		w.finish()
	})
}

func (f *fakeTunnel) ride(c tunnel.Carried) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.riders = c
}
