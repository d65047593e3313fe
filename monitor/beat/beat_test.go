package beat

import (
	"sync/atomic"
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

// Everybody is called at the same beats, nobody after he has left, and no goroutine stays behind the last one, whoever comes and goes
// meanwhile.
func TestWheel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(300 * time.Millisecond)
		w := NewWheel(2 * time.Second)
		for range 3 { // the second and third time after everybody had left
			var first, second []time.Duration
			var left atomic.Bool
			begun := Last(time.Now(), 2*time.Second)
			leaveFirst := w.Join(func() {
				if left.Load() {
					t.Error("called after it has left")
				}
				first = append(first, time.Since(begun))
			})
			<-time.After(3 * time.Second)
			leaveSecond := w.Join(func() { second = append(second, time.Since(begun)) })
			<-time.After(3 * time.Second)
			leaveFirst()
			left.Store(true)
			<-time.After(2 * time.Second)
			leaveSecond()
			if len(first) != 3 || first[2] != 6*time.Second || len(second) != 3 || second[0] != 4*time.Second || second[2] != 8*time.Second {
				t.Errorf("called after %v and %v", first, second)
			}
			<-time.After(10*time.Second + 100*time.Millisecond)
			if synctest.Wait(); len(second) != 3 {
				t.Errorf("called after all have left: %v", second)
			}
		}
	})
}

// Who leaves while his call is under way is held until it is over.
func TestWheelLeaveWaits(t *testing.T) {
	var over atomic.Bool
	begun, release := make(chan struct{}), make(chan struct{})
	leave := NewWheel(10 * time.Millisecond).Join(func() {
		close(begun)
		<-release
		over.Store(true)
	})
	<-begun
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	if leave(); !over.Load() {
		t.Error("left while it was being called")
	}
}

// Who joins as the last one leaves is called by a goroutine of his own, and not by the one that is about to end as well.
func TestWheelThatBeginsAnew(t *testing.T) {
	w := NewWheel(time.Hour)
	leave := w.Join(func() {})
	ending := w.stop
	leave()
	defer w.Join(func() {})()
	if n := len(w.all(ending)); n != 0 || len(w.all(w.stop)) != 1 {
		t.Errorf("%d are called by the one that ends, %d by the other", n, len(w.all(w.stop)))
	}
}
