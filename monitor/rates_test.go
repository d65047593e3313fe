package monitor

import (
	"testing"
	"testing/synctest"

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
			s.set(func(s *fakeSession) { s.in += 1 << 20 })
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
				f.session(t).set(func(s *fakeSession) { s.in += 1000 })
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
