package netmon

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSleepIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var slept []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		go watchSleep(ctx, func() time.Duration { return time.Duration(ahead.Load()) }, func(d time.Duration) { slept = append(slept, d) })
		synctest.Wait()
		<-time.After(time.Minute)
		synctest.Wait()
		ahead.Add(int64(8 * time.Hour))
		<-time.After(wakeEvery)
		synctest.Wait()
		ahead.Add(int64(time.Second)) // a clock that is set by a little
		<-time.After(time.Minute)
		synctest.Wait()
		ahead.Add(int64(3 * time.Second))
		<-time.After(wakeEvery)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if want := []time.Duration{8 * time.Hour, 3 * time.Second}; !slices.Equal(slept, want) {
			t.Errorf("slept %v, want %v", slept, want)
		}
	})
}

func TestAsleepStandsStillWhileAwake(t *testing.T) {
	before := asleep()
	<-time.After(20 * time.Millisecond)
	if d := asleep() - before; d < -time.Second || d > time.Second { // two clocks are read, and there is time between
		t.Errorf("%v of sleep while awake", d)
	}
}

type nudges struct{ nudges, wakes atomic.Int64 }

func (k *nudges) Nudge(string)          { k.nudges.Add(1) }
func (k *nudges) Resumed(time.Duration) { k.wakes.Add(1) }

func TestWatchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { Watch(ctx, slog.New(slog.DiscardHandler), &nudges{}); close(done) }()
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("it goes on")
	}
}
