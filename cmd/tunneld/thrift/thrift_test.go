package thrift

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// It waits until nothing has changed for a while, and then for longer.
func TestWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		k := NewKeeper()
		defer k.Stop()
		for range 5 {
			<-time.After(calm / 2)
			k.Changed()
		}
		for _, want := range []time.Duration{5*calm/2 + calm, 5*calm/2 + calm + least} {
			if due := (<-k.C).Sub(begun); due != want {
				t.Errorf("due after %v, want %v", due, want)
			}
			k.GiveBack()
			k.Changed()
		}
	})
}

// While nothing changes the pages of the program are due again, without a collection: soon once, and then every so often.
func TestRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper()
		defer k.Stop()
		<-k.C
		k.GiveBack()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, want := range []time.Duration{grown, often, often} {
			begun := time.Now()
			if due := (<-k.C).Sub(begun); due != want {
				t.Errorf("due after %v, want %v", due, want)
			}
			k.GiveBack()
		}
		if runtime.ReadMemStats(&after); after.NumForcedGC != before.NumForcedGC {
			t.Errorf("%d collections at rest", after.NumForcedGC-before.NumForcedGC)
		}
		k.Changed()
		begun := time.Now()
		if due := (<-k.C).Sub(begun); due != calm {
			t.Errorf("due %v after a change, want %v", due, calm)
		}
		k.GiveBack()
		if runtime.ReadMemStats(&after); after.NumForcedGC == before.NumForcedGC {
			t.Error("no collection after a change")
		}
	})
}

func TestGivesBack(t *testing.T) {
	var before, after runtime.MemStats
	garbage := make([]byte, 64<<20)
	for i := range garbage {
		garbage[i] = 1
	}
	runtime.ReadMemStats(&before)
	runtime.KeepAlive(garbage)
	k := NewKeeper()
	defer k.Stop()
	k.GiveBack()
	runtime.ReadMemStats(&after)
	if released := int64(after.HeapReleased) - int64(before.HeapReleased); released < 60<<20 {
		t.Errorf("%d bytes were given back", released)
	}
}
