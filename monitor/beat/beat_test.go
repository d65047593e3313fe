package beat

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whoever begins whenever: all tick at the same moments.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := make(map[time.Duration]int) // since the beginning, which is a full second
		begun := time.Now()
		for range 10 {
			<-time.After(123 * time.Millisecond)
			tick := NewTicker(2 * time.Second)
			for range 3 {
				<-tick.C
				ticks[time.Since(begun)%(2*time.Second)]++
				<-time.After(17 * time.Millisecond) // is busy
				tick.Next()
			}
			tick.Stop()
		}
		if len(ticks) != 1 || ticks[0] != 30 {
			t.Errorf("ticks after %v", ticks)
		}
	})
}

func TestUntil(t *testing.T) {
	at := time.Unix(100, 0)
	for after, want := range map[time.Duration]time.Duration{0: 5 * time.Second, 1: 5*time.Second - 1, 4 * time.Second: time.Second, 5*time.Second - 1: 5*time.Second + 1} {
		if got := Until(at.Add(after), 5*time.Second); got != want {
			t.Errorf("%v after a beat: %v, want %v", after, got, want)
		}
	}
}
