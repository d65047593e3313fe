//go:build !linux

package netmon

import "time"

var loaded = time.Now()

// asleep returns by how much the wall clock has got ahead of the monotonic clock, which on most systems stops while the
// machine sleeps. A clock that is set forward looks the same; it costs a probe.
func asleep() time.Duration {
	now := time.Now()
	return now.Round(0).Sub(loaded.Round(0)) - now.Sub(loaded)
}
