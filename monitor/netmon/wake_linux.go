package netmon

import (
	"time"

	"golang.org/x/sys/unix"
)

// asleep returns how long the machine has slept since it started: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC does not
// (clock_gettime(2)).
func asleep() time.Duration { return clock(unix.CLOCK_BOOTTIME) - clock(unix.CLOCK_MONOTONIC) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
