package netmon

import (
	"context"
	"log/slog"
	"time"

	"github.com/tunneld/tunneld/monitor/beat"
)

// Nudger is told what may have changed the way to a server: a *Monitor, or something that passes it on to several.
type Nudger interface {
	Nudge(reason string)         // the network has changed
	Resumed(slept time.Duration) // the machine has slept
}

const (
	wakeEvery = time.Second     // how often the clocks are compared
	wakeJump  = 2 * time.Second // a jump this long is sleep; shorter ones are clocks being set, or our own slowness
)

// Watch tells k of sleep and of network changes until ctx ends. One is enough for a process. Where the system cannot tell
// of network changes it watches for sleep alone. It waits for what it started.
func Watch(ctx context.Context, log *slog.Logger, n Nudger) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := watchNetwork(ctx, func() { n.Nudge("network changed") }); err != nil && ctx.Err() == nil {
			log.Warn("network changes are not noticed", "err", err)
		}
	}()
	watchSleep(ctx, asleep, func(slept time.Duration) {
		log.Info("machine woke", "slept", slept.Round(time.Millisecond))
		n.Resumed(slept)
	})
	<-done
}

// watchSleep compares a clock that goes on while the machine sleeps with one that does not, until ctx ends. ahead returns
// how far the first is ahead of the second.
func watchSleep(ctx context.Context, ahead func() time.Duration, woke func(slept time.Duration)) {
	tick := beat.NewTicker(wakeEvery)
	defer tick.Stop()
	last := ahead()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Next()
			now := ahead()
			if slept := now - last; slept >= wakeJump {
				woke(slept)
			}
			last = now
		}
	}
}
