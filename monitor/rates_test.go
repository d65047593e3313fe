package monitor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// carrying returns forwards that have brought so many bytes.
func carrying(specs []string, in ...uint64) (list []tunnel.ForwardStatus) {
	for i, spec := range specs {
		list = append(list, tunnel.ForwardStatus{Kind: config.Local, Spec: spec, Carried: tunnel.Carried{BytesIn: in[i]}})
	}
	return list
}

// The rate of a forward is its own after a reload that gave it another place, at once and with the next sample; also where two are alike.
func TestRatesFollowTheirForwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTunnel{}
		w := start(t, options(), f)
		s := f.session(t)
		flow := func(specs []string, in ...uint64) {
			f.mu.Lock()
			f.forwards = carrying(specs, in...)
			f.mu.Unlock()
			s.set(func(s *fakeSession) { s.in, s.carried = s.in+(1<<20), s.carried+(1<<20) })
		}
		expect := func(when string, want ...float64) {
			t.Helper()
			for i, forward := range w.Status().Forwards {
				if forward.RateIn != want[i] {
					t.Errorf("%s: %s at %v bytes a second, want %v", when, forward.Spec, forward.RateIn, want[i])
				}
			}
		}
		before, after := []string{"quick", "slow", "alike", "alike"}, []string{"new", "alike", "slow", "alike", "quick"}
		w.pass(turnEvery)
		flow(before, 1e9, 1000, 10, 50)
		w.pass(turnEvery)
		flow(before, 2e9, 2000, 20, 70)
		w.pass(turnEvery)
		expect("before", 5e8, 500, 5, 10)
		flow(after, 0, 20, 2000, 70, 2e9)
		expect("just now", 0, 5, 500, 10, 5e8)
		flow(after, 0, 20, 4000, 90, 2e9)
		w.pass(turnEvery)
		expect("afterwards", 0, 0, 1000, 10, 0)
		w.finish()
	})
}

// A tunnel that has failed or was stopped carries nothing.
func TestRatesEnd(t *testing.T) {
	for name, end := range map[string]func(*world){
		"failed": func(w *world) {
			w.tunnel.rule(refuse(changedKey()))
			w.tunnel.session(w.t).Close()
			<-w.ended
		},
		"stopped": func(w *world) { w.finish() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTunnel{}
				w := start(t, options(), f)
				w.pass(turnEvery)
				f.mu.Lock()
				f.forwards = carrying([]string{"some"}, 1000)
				f.mu.Unlock()
				f.session(t).set(func(s *fakeSession) { s.in, s.carried = s.in+1000, s.carried+1000 })
				w.pass(turnEvery)
				if s := w.Status(); s.RateIn == 0 || s.Forwards[0].RateIn == 0 {
					t.Fatalf("carries %v", s.RateIn)
				}
				end(w)
				if s := w.Status(); s.RateIn != 0 || s.Forwards[0].RateIn != 0 || s.BytesIn != 1000 {
					t.Errorf("state %s, %d bytes, at %v a second, its forward at %v", s.State, s.BytesIn, s.RateIn, s.Forwards[0].RateIn)
				}
			})
		})
	}
}

// The forwards are looked at while connections carry bytes, and their rates end with those; probes are no reason to look.
func TestForwardsAreMeasuredWhileTheyCarry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := onlyOnce()
		f.forwards = []tunnel.ForwardStatus{{Spec: "-L 1:db:2"}, {Spec: "-L 2:db:2"}}
		w := start(t, options(), f)
		s := f.session(t)
		carry := func(wire, through uint64) {
			for range 60 {
				w.pass(time.Second)
				f.mu.Lock()
				f.forwards[1].BytesIn += through
				f.mu.Unlock()
				s.set(func(s *fakeSession) { s.in, s.carried = s.in+wire, s.carried+through })
			}
		}
		w.pass(time.Minute)
		before := f.looked()
		if carry(100, 0); f.looked() != before {
			t.Errorf("the forwards were looked at %d times because of bytes that were none of theirs", f.looked()-before)
		}
		carry(1100, 1000)
		if s := w.Status(); s.RateIn != 1100 || s.Forwards[1].RateIn != 1000 || s.Forwards[0].RateIn != 0 {
			t.Errorf("%v bytes a second, %+v", s.RateIn, s.Forwards)
		}
		carry(100, 0)
		if s := w.Status(); s.RateIn != 100 || s.Forwards[1].RateIn != 0 {
			t.Errorf("%v bytes a second afterwards, %+v", s.RateIn, s.Forwards)
		}
		before = f.looked()
		if carry(100, 0); f.looked() != before {
			t.Errorf("the forwards were looked at %d times more", f.looked()-before)
		}
		w.finish()
	})
}
