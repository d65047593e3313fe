package monitor

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A client that comes at the moment at which a lazy tunnel disconnects is served by the session that goes. It says nothing for a while,
// as a shell does, and was reset after TunneldDrain.
func TestClientOfTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		f := &fakeTunnel{}
		w := start(t, o, f)
		f.wanted <- struct{}{}
		synctest.Wait()
		s := f.session(t)
		s.set(func(s *fakeSession) { s.open = 1 }) // the forward has not told of it when it is asked
		w.pass(2 * time.Minute)
		w.expect(Idle)
		w.pass(50 * time.Minute)
		if s.Err() != nil {
			t.Errorf("it was cut: %v\n%s", s.Err(), w.log)
		}
		w.finish()
	})
}

// One that comes a moment later wakes the tunnel, perhaps before that has gone to sleep. It is no outage, and nothing was lost.
func TestLazyTunnelThatIsWantedWhileItGoesToSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options()
		o.Lazy = time.Minute
		f := &fakeTunnel{}
		var w *world
		var armed atomic.Bool
		w = start(t, o, f, func(c *Config) {
			c.OnChange = func() {
				if armed.Load() && w.Status().Sessions[0].UpSince.IsZero() {
					armed.Store(false)
					f.wanted <- struct{}{}
					<-w.demand.awake()
				}
			}
		})
		f.wanted <- struct{}{}
		synctest.Wait()
		w.expect(Up)
		armed.Store(true)
		w.pass(61 * time.Second)
		w.expect(Up)
		if f.count() != 2 {
			t.Errorf("%d connections, want a second one", f.count())
		}
		if s := w.Status(); s.LastOutage != nil || s.Reconnects != 0 || len(w.log.lines("reconnected")) > 0 {
			t.Errorf("an outage of %+v, %d reconnects\n%s", s.LastOutage, s.Reconnects, w.log)
		}
		w.finish()
	})
}
