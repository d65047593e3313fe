package pace

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// present returns the collector's pace.
func present() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

// While a transfer runs the collector waits, beside a large heap no longer than at other times, and then all is as before, whether
// or not the connection that carried it has ended.
func TestPace(t *testing.T) {
	before := present()
	runtime.GC()
	synctest.Test(t, func(t *testing.T) {
		p := new(Pacer)
		for _, pause := range []time.Duration{tick / 10, tick, lull - tick} {
			for began := time.Now(); time.Since(began) < 3*lull; {
				p.Carry()
				time.Sleep(pause)
				synctest.Wait()
				if now := present(); now <= before || now > most {
					t.Fatalf("%d percent while something is carried every %v, %d before", now, pause, before)
				}
			}
			time.Sleep(lull + 2*tick)
			synctest.Wait()
			if now := present(); now != before {
				t.Errorf("%d percent afterwards, %d before", now, before)
			}
		}
	})
}

func TestPaceBesideALargeHeap(t *testing.T) {
	large := make([]byte, 2*headroom)
	runtime.GC()
	if now := percent(100); now != 100 {
		t.Errorf("%d percent with a large heap, want 100", now)
	}
	runtime.KeepAlive(large)
}

// Whoever has set the pace knows why.
func TestPaceThatSomebodyHasSet(t *testing.T) {
	before := present()
	(&Pacer{fixed: true}).Carry()
	if now := present(); now != before {
		t.Errorf("%d percent, want %d", now, before)
	}
}
