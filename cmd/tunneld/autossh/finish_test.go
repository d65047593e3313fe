package autossh

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The end waits for what has been started, for as long as it takes, until another signal says that it is enough.
func TestFinishWaits(t *testing.T) {
	isTerm := func(s os.Signal) bool { return s == syscall.SIGTERM }
	for _, c := range []struct {
		name   string
		atOnce bool
		signal os.Signal // after a minute
		rest   time.Duration
		want   time.Duration
	}{
		{"nothing is left", false, nil, 0, 0},
		{"a while", false, nil, time.Hour, time.Hour},
		{"at once, all but", true, nil, time.Second, time.Second},
		{"at once", true, nil, time.Hour, atOnceTime},
		{"another signal", false, syscall.SIGTERM, time.Hour, time.Minute + atOnceTime},
		{"a signal of no matter", false, syscall.SIGHUP, time.Hour, time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 1)
				if c.signal != nil {
					time.AfterFunc(time.Minute, func() { signals <- c.signal })
				}
				began := time.Now()
				all := Finish(func() { time.Sleep(c.rest) }, signals, isTerm, c.atOnce)
				if took := time.Since(began); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
				if all != (c.want == c.rest) {
					t.Errorf("all has ended: %t", all)
				}
				time.Sleep(c.rest) // until that has ended, too
			})
		})
	}
}
