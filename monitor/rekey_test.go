package monitor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Keys that have been used for long enough are a reason to replace the session, and the log says so. Its transfers go on.
func TestStaleKeysReplaceTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, options(), &fakeTunnel{})
		w.pass(2 * time.Minute)
		old := w.tunnel.session(t)
		old.set(func(s *fakeSession) { s.open, s.stale = 1, "RekeyLimit reached: 16M with the same keys" })
		w.pass(quietTurn)
		if w.tunnel.session(t) == old {
			t.Fatal("the session was not replaced")
		}
		if lines := w.log.lines("level=INFO", `why="RekeyLimit reached: 16M with the same keys"`, "making a new connection"); len(lines) != 1 {
			t.Errorf("%d lines tell why:\n%s", len(lines), w.log)
		}
		w.pass(quietLong - time.Minute) // with no byte moving
		if old.Err() != nil {
			t.Error("a quiet connection was cut although nobody asked for the replacement")
		}
		w.pass(2 * time.Minute)
		if old.Err() == nil {
			t.Error("the old session never ends")
		}
		w.finish()
	})
}

// A RekeyLimit that is reached all the time must not make one connection after the other.
func TestStaleKeysDoNotHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		f.rule(func(_ context.Context, n int) (*fakeSession, error) {
			s := newFakeSession(n)
			s.stale = "RekeyLimit reached: 16K with the same keys"
			return s, nil
		})
		w := start(t, options(), f)
		w.pass(time.Hour)
		if n := f.count(); n < 50 || n > 61 {
			t.Errorf("%d connections in an hour, want one a minute", n)
		}
		w.expect(Up)
		w.finish()
	})
}

// Where the server renews the keys meanwhile, the attempt that is under way is not needed any more.
func TestFreshKeysNeedNoNewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		w.pass(2 * time.Minute)
		old := w.tunnel.session(t)
		f.rule(func(ctx context.Context, _ int) (*fakeSession, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		old.set(func(s *fakeSession) { s.stale = "RekeyLimit reached: the same keys for 1h0m0s" })
		w.pass(quietTurn)
		old.set(func(s *fakeSession) { s.stale = "" })
		w.pass(quietTurn)
		if w.tunnel.session(t) != old || len(w.log.lines("a new connection is no longer needed")) != 1 {
			t.Errorf("the attempt was not dropped:\n%s", w.log)
		}
		w.finish()
	})
}
