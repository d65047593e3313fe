package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

func TestNudgeWhileWaitingTriesNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, options(), f)
		w.pass(10 * time.Minute)
		w.expect(Waiting)
		before := f.count()
		w.Nudge("network changed")
		synctest.Wait()
		if f.count() <= before {
			t.Errorf("no attempt at once\n%s", w.log)
		}
		w.pass(3 * time.Second) // and the backoff starts anew: the network may not be quite there yet
		if f.count() < before+3 {
			t.Errorf("%d attempts in three seconds after the nudge", f.count()-before)
		}
		w.finish()
	})
}

func TestManyNudgesDoNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, options(), f)
		for range 100 {
			for range 1000 {
				w.Nudge("network changed")
			}
			w.pass(time.Second)
		}
		if n := f.count(); n > 100*5 {
			t.Errorf("%d attempts in a hundred seconds", n)
		}
		w.finish()
	})
}

func TestNudgeWhileUpProbesNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		s := w.tunnel.session(t)
		before := s.asked()
		w.Nudge("network changed")
		synctest.Wait()
		if s.asked() != before+1 {
			t.Error("no probe at once")
		}
		w.pass(10 * time.Second)
		w.expect(Up)
		if n := w.tunnel.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		w.finish()
	})
}

// The address has changed: the old connection will never answer, a new one can be had.
func TestNudgeUnansweredReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		old.freeze()
		old.set(func(s *fakeSession) { s.open = 3 })
		w.Nudge("network changed")
		w.pass(patience + 10*time.Millisecond)
		w.expect(Up)
		if w.tunnel.session(t) == old {
			t.Error("the old session is still in service")
		}
		if old.Err() != nil {
			t.Error("the old session is given up, though it may only be late")
		}
		w.pass(44 * time.Second)
		if old.Err() == nil {
			t.Error("the old session holds its connections though it has not answered for ServerAliveInterval × CountMax")
		}
		w.finish()
	})
}

// Nothing comes back to an address that is gone: a new session is made at once, and the old one's connections are reset.
func TestAddressThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		old.freeze()
		old.set(func(s *fakeSession) { s.open, s.nowhere = 3, true })
		w.Nudge("network changed")
		w.pass(10 * time.Millisecond)
		w.expect(Up)
		if w.tunnel.session(t) == old || old.Err() == nil {
			t.Errorf("the old session is still there: %v", old.Err())
		}
		w.finish()
	})
}

// The address came back before another was to be had: the session goes on.
func TestAddressThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		old := w.tunnel.session(t)
		w.tunnel.rule(refuse(refusedDial()))
		old.freeze()
		old.set(func(s *fakeSession) { s.nowhere = true })
		w.Nudge("network changed")
		w.pass(3 * time.Second)
		w.expect(Suspect)
		old.set(func(s *fakeSession) { s.nowhere = false })
		old.thaw()
		w.pass(time.Second)
		w.expect(Up)
		if w.tunnel.session(t) != old || old.Err() != nil {
			t.Errorf("the session was given up: %v", old.Err())
		}
		w.finish()
	})
}

// The cable was out for ten seconds: nobody loses his connection.
func TestShortLinkOutageCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(time.Minute)
		s := w.tunnel.session(t)
		f.rule(refuse(refusedDial()))
		s.freeze()
		w.Nudge("link down")
		w.pass(6 * time.Second)
		w.expect(Suspect)
		w.pass(4 * time.Second)
		s.thaw()
		w.Nudge("link up")
		f.rule(nil)
		w.pass(time.Second)
		w.expect(Up)
		if s.Err() != nil || w.tunnel.session(t) != s {
			t.Errorf("the session was given up: %v\n%s", s.Err(), w.log)
		}
		w.finish()
	})
}

// After sleep one unanswered interval is death, whether or not a new session can be had.
func TestWokeAndUnanswered(t *testing.T) {
	for _, interval := range []time.Duration{0, time.Second, 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o := options()
			o.ServerAliveInterval = interval
			w := start(t, o, onlyOnce())
			w.pass(time.Minute)
			w.tunnel.session(t).freeze()
			w.Nudge("network changed") // a plain nudge does not take the place of the strict one
			w.Resumed(8 * time.Hour)
			limit := interval
			if limit == 0 {
				limit = patience
			}
			if took := w.within(limit+time.Millisecond, Connecting); took < limit-10*time.Millisecond {
				t.Errorf("given up after %v", took)
			}
			w.finish()
		})
	}
}

func TestNudgeWithoutKeepalivesLooksForBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval, o.EchoInterval = 0, 0
		w := start(t, o, onlyOnce())
		w.pass(time.Minute)
		s := w.tunnel.session(t)
		s.freeze()
		w.Nudge("network changed")
		w.pass(time.Hour)
		w.expect(Suspect) // nobody asked us to give it up
		s.thaw()
		w.pass(time.Second)
		w.expect(Up)
		w.finish()
	})
}

func TestNudgeWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, n int) (*fakeSession, error) {
			if n == 1 {
				return newFakeSession(n), nil
			}
			select {
			case <-ctx.Done():
			case <-time.After(15 * time.Second):
			}
			return nil, refusedDial()
		}
		w := start(t, options(), &fakeTunnel{connect: hang})
		w.pass(time.Minute)
		w.tunnel.session(t).Close()
		synctest.Wait()
		w.expect(Connecting)
		w.pass(time.Second)
		w.Nudge("network changed") // too young to be begun anew
		w.pass(time.Second)
		if n := w.tunnel.count(); n != 2 {
			t.Errorf("%d attempts", n)
		}
		w.pass(time.Second)
		w.Nudge("network changed")
		synctest.Wait()
		if n := w.tunnel.count(); n != 3 {
			t.Errorf("%d attempts, want the stale one begun anew", n)
		}
		for range 4 { // nudges in a row must not starve it
			w.pass(3 * time.Second)
			w.Nudge("network changed")
		}
		synctest.Wait()
		if n := w.tunnel.count(); n != 3 {
			t.Errorf("%d attempts after nudges in a row", n)
		}
		w.pass(3 * time.Second) // it ends, and the next comes at once because of the nudges
		if n := w.tunnel.count(); n != 4 {
			t.Errorf("%d attempts", n)
		}
		w.finish()
	})
}

// The first attempt of all may wait for a person's passphrase.
func TestNudgeDoesNotCutTheFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{connect: func(ctx context.Context, n int) (*fakeSession, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		for range 10 {
			w.pass(time.Minute)
			w.Nudge("network changed")
		}
		if n := w.tunnel.count(); n != 1 {
			t.Errorf("%d attempts", n)
		}
		w.finish()
	})
}

func TestNudgeWhileIdleAndAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		w := start(t, o, &fakeTunnel{})
		w.Nudge("network changed")
		w.pass(time.Second)
		w.expect(Idle)
		if err := w.Reconnect(t.Context()); err != nil {
			t.Errorf("Reconnect while idle gave %v", err)
		}
		w.expect(Idle)
		w.finish()
		w.Nudge("network changed")
		w.Resumed(time.Hour)
		w.expect(Stopped)
	})
}

func TestNudgeWhileSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.EchoInterval = 0
		w := start(t, o, onlyOnce())
		w.tunnel.session(t).freeze()
		w.pass(16 * time.Second)
		w.expect(Suspect)
		w.Resumed(time.Hour)
		w.within(15*time.Second+10*time.Millisecond, Connecting)
		w.finish()
	})
}

func TestLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy, o.Connections = time.Minute, 2
		f := &fakeTunnel{}
		w := start(t, o, f)
		w.pass(time.Hour)
		w.expect(Idle)
		if f.count() != 0 || w.Status().Unready() != nil {
			t.Errorf("%d attempts, unready %v", f.count(), w.Status().Unready())
		}
		f.wanted <- struct{}{}
		synctest.Wait()
		w.expect(Up)
		s := f.session(t)
		use(f, 1, 1)
		w.pass(10 * time.Minute)
		w.expect(Up)
		use(f, 0, 7) // short connections, each gone when one looks
		w.pass(58 * time.Second)
		w.expect(Up)
		w.pass(5 * time.Second)
		w.expect(Idle)
		synctest.Wait()
		if s.Err() == nil {
			t.Error("the session was left open")
		}
		if n := len(w.log.lines("msg=\"connection lost\"")); n != 0 {
			t.Errorf("disconnecting looks like a loss:\n%s", w.log)
		}
		before := f.count()
		f.wanted <- struct{}{}
		synctest.Wait()
		w.expect(Up)
		if f.count() != before+2 {
			t.Errorf("%d attempts more, want one for each slot", f.count()-before)
		}
		if got := w.Status().Reconnects; got != 0 {
			t.Errorf("%d reconnects", got)
		}
		if o := w.Status().LastOutage; o != nil {
			t.Errorf("to wake up counts as an outage: %+v", o)
		}
		w.finish()
	})
}

func TestLazyGivesUpWaitingWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		f := &fakeTunnel{connect: refuse(refusedDial())}
		w := start(t, o, f)
		f.wanted <- struct{}{}
		w.pass(50 * time.Second)
		w.expect(Waiting)
		w.pass(80 * time.Second)
		w.expect(Idle)
		n := f.count()
		w.pass(time.Hour)
		if f.count() != n {
			t.Error("it goes on trying")
		}
		w.finish()
	})
}

func TestLazyWithRemoteForwardIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy, o.Forwards = time.Minute, []config.Forward{{Kind: config.Remote}}
		w := start(t, o, &fakeTunnel{})
		w.pass(time.Hour)
		w.expect(Up)
		w.finish()
	})
}

func TestSlotsLiveApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Connections = 3
		f := &fakeTunnel{}
		broken := errors.New("cut")
		w := start(t, o, f)
		w.pass(time.Minute)
		if n := len(f.live); n != 3 {
			t.Fatalf("%d sessions", n)
		}
		f.rule(refuse(refusedDial()))
		f.live[1].CloseWith(broken)
		w.pass(time.Minute)
		w.expect(Up)
		s := w.Status()
		waiting := 0
		for _, session := range s.Sessions {
			if session.State == Waiting {
				waiting++
			}
		}
		if len(s.Sessions) != 3 || waiting != 1 || len(f.live) != 2 {
			t.Errorf("sessions %+v, %d live", s.Sessions, len(f.live))
		}
		w.finish()
	})
}

// One key that is refused is refused once, not by each slot.
func TestSlotsWaitForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Connections = 4
		f := &fakeTunnel{connect: func(context.Context, int) (*fakeSession, error) {
			<-time.After(time.Second)
			return nil, refusedKey()
		}}
		w := start(t, o, f)
		if err := <-w.ended; err == nil || f.count() != 1 {
			t.Errorf("Run gave %v after %d attempts", err, f.count())
		}
		w.expect(Failed)
	})
}

// A slot that fails for good leaves the others alone, and tries again when a person asks.
func TestFailedSlotAmongLiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Connections = 2
		f := &fakeTunnel{connect: func(_ context.Context, n int) (*fakeSession, error) {
			if n > 1 {
				return nil, changedKey()
			}
			return newFakeSession(n), nil
		}}
		w := start(t, o, f)
		w.pass(time.Hour)
		w.expect(Up)
		if n := f.count(); n != 2 || w.Status().Sessions[1].State != Failed {
			t.Errorf("%d attempts, %+v", n, w.Status().Sessions)
		}
		f.rule(nil)
		if err := w.Reconnect(t.Context()); err != nil {
			t.Errorf("Reconnect gave %v", err)
		}
		if s := w.Status().Sessions; s[0].State != Up || s[1].State != Up {
			t.Errorf("%+v", s)
		}
		f.rule(refuse(changedKey()))
		w.pass(time.Minute)
		for _, s := range append([]*fakeSession(nil), f.live...) {
			s.Close()
		}
		if err := <-w.ended; err == nil {
			t.Error("Run gave nil though every slot has failed")
		}
		w.expect(Failed)
	})
}

// use sets how many connections are open and have been.
func use(f *fakeTunnel, open, total int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forwards = fakeForwards(open, total)
}
