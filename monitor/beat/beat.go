// Package beat has what a process does every so often happen at the same moments, whoever does it: a hundred tunnels wake the
// machine once, and not a hundred times.
package beat

import "time"

// Until returns the time from now to the next beat of those that come every so often. A beat that is nearly there is left out:
// it may be the one that has just woken the caller, by a clock that goes a little faster.
func Until(now time.Time, every time.Duration) time.Duration {
	left := every - time.Duration(now.UnixNano())%every
	if left < every/16 {
		left += every
	}
	return left
}

// Last returns the last beat at or before t.
func Last(t time.Time, every time.Duration) time.Time {
	return t.Add(-time.Duration(t.UnixNano()) % every)
}

// Ticker is like a time.Ticker, but for two things: its ticks are beats, and whoever takes one from C calls Next.
type Ticker struct {
	C     <-chan time.Time
	timer *time.Timer
	every time.Duration
}

// NewTicker returns a Ticker. Its owner calls Stop.
func NewTicker(every time.Duration) *Ticker {
	timer := time.NewTimer(Until(time.Now(), every))
	return &Ticker{timer.C, timer, every}
}

// Next has it tick at the next beat.
func (t *Ticker) Next() { t.timer.Reset(Until(time.Now(), t.every)) }

// Stop has it tick no more.
func (t *Ticker) Stop() { t.timer.Stop() }
