package monitor

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// onlyOnce makes a tunnel whose first session is the only one: later attempts hang until they are given up.
func onlyOnce() *fakeTunnel {
	return &fakeTunnel{connect: func(ctx context.Context, n int) (*fakeSession, error) {
		if n == 1 {
			return newFakeSession(n), nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
}

// A frozen link is noticed within ServerAliveInterval × ServerAliveCountMax, whenever it freezes. The keepalive on its way
// never returns by itself.
func TestFrozenSessionIsNoticed(t *testing.T) {
	for _, c := range []struct{ interval, count int }{
		{1, 1}, {1, 3}, {2, 1}, {2, 2}, {5, 1}, {15, 3}, {15, 1}, {30, 3}, {60, 1}, {60, 3}, {300, 1}, {300, 2}, {600, 5}, {15, 0},
	} {
		for _, after := range []time.Duration{0, 100 * time.Millisecond, 7499 * time.Millisecond, 10 * time.Minute} {
			t.Run(fmt.Sprintf("%dx%d after %v", c.interval, c.count, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := options()
					o.ServerAliveInterval, o.ServerAliveCountMax = time.Duration(c.interval)*time.Second, c.count
					o.EchoInterval = 0
					w := start(t, o, onlyOnce())
					w.pass(after)
					w.expect(Up)
					w.tunnel.session(t).freeze()
					limit := o.ServerAliveInterval * time.Duration(max(1, c.count))
					took := w.within(limit, Connecting)
					if took < limit-o.ServerAliveInterval {
						t.Errorf("given up after %v already, %v were allowed", took, limit)
					}
					w.finish()
				})
			})
		}
	}
}

// A link that answers each probe, however late within its time, is never given up, and one that is idle is asked no more
// often than twice in an interval.
func TestSlowButAliveIsLeftAlone(t *testing.T) {
	for _, c := range []struct {
		interval, count int
		rtt             time.Duration
	}{
		{1, 1, 450 * time.Millisecond}, {1, 3, 2400 * time.Millisecond}, {15, 3, 37 * time.Second},
		{15, 1, 7 * time.Second}, {300, 2, 5 * time.Minute}, {300, 1, 29 * time.Second},
	} {
		t.Run(fmt.Sprintf("%dx%d %v", c.interval, c.count, c.rtt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				o.ServerAliveInterval, o.ServerAliveCountMax = time.Duration(c.interval)*time.Second, c.count
				o.EchoInterval = 0
				w := start(t, o, onlyOnce())
				s := w.tunnel.session(t)
				s.set(func(s *fakeSession) { s.rtt = c.rtt })
				w.pass(time.Hour)
				if s.Err() != nil {
					t.Fatalf("given up:\n%s", w.log)
				}
				if most := int(time.Hour/o.ServerAliveInterval) * 2; s.asked() > most+2 {
					t.Errorf("%d probes in an hour", s.asked())
				}
				w.finish()
			})
		})
	}
}

// Any byte is life: a link busy with a download answers no probe for an hour and is left alone.
func TestAnyByteIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.EchoInterval = 0
		w := start(t, o, onlyOnce())
		s := w.tunnel.session(t)
		s.freeze()
		for range 360 {
			w.pass(10 * time.Second)
			s.set(func(s *fakeSession) { s.heard = time.Now() })
		}
		if s.Err() != nil {
			t.Fatalf("given up:\n%s", w.log)
		}
		w.finish()
	})
}

func TestSuspectAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.EchoInterval = 0
		w := start(t, o, onlyOnce())
		s := w.tunnel.session(t)
		s.freeze()
		w.pass(14 * time.Second)
		w.expect(Up)
		w.pass(1100 * time.Millisecond)
		w.expect(Suspect)
		if why := w.Status().Why; why != "no byte for 15s" {
			t.Errorf("why %q", why)
		}
		s.thaw()
		w.pass(pollInterval)
		w.expect(Up)
		if len(w.log.lines("connection is suspect")) != 1 || len(w.log.lines("connection answers again")) != 1 {
			t.Errorf("log:\n%s", w.log)
		}
		w.pass(time.Second)
		if n := w.tunnel.count(); n != 2 {
			t.Errorf("%d attempts, want the one beside the suspect session that was dropped", n)
		}
		w.finish()
	})
}

// An attempt for which there is no reason any more ends, even if it would have come through.
func TestAttemptIsDroppedWhenTheOldAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{connect: func(ctx context.Context, n int) (*fakeSession, error) {
			if n > 1 {
				<-time.After(5 * time.Second)
			}
			return newFakeSession(n), nil
		}}
		w := start(t, options(), f)
		s := f.session(t)
		s.freeze()
		w.pass(16 * time.Second)
		w.expect(Suspect)
		if !s.inDoubt() {
			t.Error("new connections still go to it")
		}
		s.thaw()
		w.pass(time.Minute)
		if s.inDoubt() {
			t.Error("new connections go elsewhere though it answers again")
		}
		if f.session(t) != s || s.Err() != nil {
			t.Errorf("replaced though it answers again\n%s", w.log)
		}
		w.finish()
	})
}

// An attempt that began half a minute before the session was lost knows the network as it was then.
func TestStaleAttemptIsBegunAnewWhenTheSessionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.EchoInterval = 0
		w := start(t, o, onlyOnce())
		w.tunnel.session(t).freeze()
		w.within(45*time.Second, Connecting)
		if n := w.tunnel.count(); n != 3 {
			t.Errorf("%d attempts, want one beside the suspect session and one after it", n)
		}
		w.finish()
	})
}

// A path that is gone, to a server that is there: the new session is up long before the old one has run out of keepalives,
// and the old one's connections may still come back until those have run out.
func TestSuspectSessionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(5 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open = 1 })
		old.freeze()
		w.pass(16 * time.Second)
		w.expect(Up)
		if w.tunnel.session(t) == old || old.Err() != nil {
			t.Errorf("old session in service or closed: %v\n%s", old.Err(), w.log)
		}
		w.pass(15 * time.Second)
		if old.Err() != nil {
			t.Errorf("the old session was cut before ServerAliveInterval × CountMax had passed: %v", old.Err())
		}
		w.pass(15 * time.Second)
		if old.Err() == nil {
			t.Error("the old session lives on though it is dead by the rule of ssh")
		}
		w.finish()
	})
}

func TestNoKeepalivesUnlessNudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval, o.EchoInterval = 0, 0
		w := start(t, o, onlyOnce())
		s := w.tunnel.session(t)
		w.pass(24 * time.Hour)
		if s.asked() != 0 {
			t.Errorf("%d probes", s.asked())
		}
		w.Nudge("network changed")
		w.pass(time.Second)
		if s.asked() != 1 {
			t.Errorf("%d probes after a nudge", s.asked())
		}
		w.expect(Up)
		w.finish()
	})
}

// A status has a round trip to show soon, however long the interval.
func TestFirstProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval = 300 * time.Second
		w := start(t, o, onlyOnce())
		w.pass(2 * time.Second)
		if s := w.Status(); time.Duration(s.RTT) != 20*time.Millisecond || time.Duration(s.EchoRTT) != 20*time.Millisecond {
			t.Errorf("round trips %v and %v", time.Duration(s.RTT), time.Duration(s.EchoRTT))
		}
		w.pass(4 * time.Minute)
		if n := w.tunnel.session(t).asked(); n != 1 {
			t.Errorf("%d keepalives", n)
		}
		w.finish()
	})
}

// A keepalive that cannot be sent is the end, though the library has not noticed (x/crypto closes nothing on a write error).
func TestKeepaliveErrorIsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(time.Minute)
		s := w.tunnel.session(t)
		s.set(func(s *fakeSession) { s.badBeat = errors.New("broken pipe") })
		w.pass(15 * time.Second)
		w.expect(Up)
		if s.Err() == nil || w.tunnel.session(t) == s || len(w.log.lines("connection lost", "broken pipe")) != 1 {
			t.Errorf("session %v, log:\n%s", s.Err(), w.log)
		}
		w.finish()
	})
}

// A process that was stopped for an hour has heard nothing, which says nothing about the server.
func TestOversleepingIsNotTheServersFault(t *testing.T) {
	o := options()
	now := time.Now()
	p := newKeepalive(o, now)
	if !p.send(now.Add(8 * time.Second)) {
		t.Fatal("no probe")
	}
	late := now.Add(time.Hour)
	p.slept(late)
	for _, after := range []time.Duration{0, 10 * time.Second, 44 * time.Second} {
		if err := p.dead(late.Add(after)); err != nil {
			t.Errorf("%v after it woke: %v", after, err)
		}
	}
	if err := p.dead(late.Add(45 * time.Second)); err == nil {
		t.Error("never given up")
	}
}

// A wall clock that is set while the session reads must not make it look dead or alive.
func TestWallClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		now := time.Now()
		p := newKeepalive(options(), now)
		p.hear(now.Add(jump), now)
		for at := now; at.Before(now.Add(44 * time.Second)); at = at.Add(time.Second) {
			if err := p.dead(at); err != nil {
				t.Fatalf("jump %v: dead after %v", jump, at.Sub(now))
			}
			p.send(at)
		}
		if p.dead(now.Add(46*time.Second)) == nil {
			t.Errorf("jump %v: not dead after 46 s", jump)
		}
	}
}

// A server that answers at once is asked as seldom as can be, so that a thousand tunnels cost next to nothing; one that does not has half
// an interval to answer, and so does the only probe of ServerAliveCountMax 1.
func TestQuickServerIsAskedSeldom(t *testing.T) {
	for _, c := range []struct {
		interval, count, probes int // in an hour
		rtt                     time.Duration
	}{
		{15, 3, 258, 20 * time.Millisecond}, {15, 3, 300, 200 * time.Millisecond}, {15, 3, 450, 800 * time.Millisecond},
		{15, 1, 481, 20 * time.Millisecond}, {60, 3, 63, 20 * time.Millisecond}, {4, 3, 1801, 20 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%dx%d %v", c.interval, c.count, c.rtt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := options()
				o.ServerAliveInterval, o.ServerAliveCountMax, o.EchoInterval = time.Duration(c.interval)*time.Second, c.count, 0
				w := start(t, o, onlyOnce())
				s := w.tunnel.session(t)
				s.set(func(s *fakeSession) { s.rtt = c.rtt })
				w.pass(time.Hour)
				if n := s.asked(); n < c.probes-2 || n > c.probes+2 {
					t.Errorf("%d probes in an hour, want %d", n, c.probes)
				}
				w.finish()
			})
		})
	}
}

// A session that carries something is looked at every two seconds, one that is quiet less often; the first that it carries is noticed
// with the next look.
func TestQuietSessionIsLookedAtLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.ServerAliveInterval, o.EchoInterval = 0, 0
		w := start(t, o, onlyOnce())
		s := w.tunnel.session(t)
		looks := func(flow uint64) (n int) {
			for last, i := w.Heartbeat(), 0; i < 60; i++ {
				w.pass(time.Second)
				if now := w.Heartbeat(); now != last {
					last, n = now, n+1
				}
				s.set(func(s *fakeSession) { s.in += flow })
			}
			return n
		}
		w.pass(time.Minute)
		if n := looks(0); n < 7 || n > 8 {
			t.Errorf("%d looks in a quiet minute", n)
		}
		if n := looks(quietBytes); n < 26 || n > 30 {
			t.Errorf("%d looks in a minute that carried something", n)
		}
		w.finish()
	})
}

// An echo that is nearly due is sent instead of the keepalive that is, and one that nothing comes of does not delay what is made of
// silence.
func TestEchoStandsInForKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), onlyOnce())
		s := w.tunnel.session(t)
		w.pass(time.Hour)
		if n, echoes := s.asked(), s.echoed(); n < 191 || n > 195 || echoes < 64 || echoes > 66 {
			t.Errorf("%d keepalives and %d echoes in an hour", n, echoes)
		}
		for before := s.echoed(); s.echoed() == before; {
			w.pass(time.Second)
		}
		for range 3 { // until an echo is what comes next
			for before := s.asked(); s.asked() == before; {
				w.pass(time.Second)
			}
		}
		w.pass(100 * time.Millisecond)
		silent, asked, echoed := s.LastRead(), s.asked(), s.echoed()
		s.freeze()
		w.pass(14 * time.Second)
		if s.asked() != asked || s.echoed() != echoed+1 {
			t.Errorf("%d keepalives and %d echoes after 14 s", s.asked()-asked, s.echoed()-echoed)
		}
		w.pass(time.Until(silent.Add(15*time.Second - 1)))
		if w.expect(Up); s.asked() != asked+1 {
			t.Errorf("%d keepalives after an echo that did not come back", s.asked()-asked)
		}
		w.pass(pollInterval)
		w.expect(Suspect)
		w.pass(time.Until(silent.Add(45*time.Second - 1)))
		if s.Err() != nil {
			t.Errorf("too early: %v", s.Err())
		}
		if w.pass(time.Millisecond); s.Err() == nil {
			t.Error("not dead after 45 s of silence")
		}
		w.finish()
	})
}
