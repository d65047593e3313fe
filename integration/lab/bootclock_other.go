//go:build !linux

package lab

import "time"

// bootClockVariable is set on Linux alone.
const bootClockVariable = "TUNNELD_TEST_BOOT_CLOCK"

// bootClock is a clock of Linux.
type bootClock struct{}

// StartWithClock skips the test.
func (l *Lab) StartWithClock(...string) (*Child, *bootClock) {
	l.T.Helper()
	l.T.Skip("needs Linux: no other system lets a test stand between a program and its clock")
	return nil, nil
}

// Sleep is never called: there is no clock.
func (*bootClock) Sleep(time.Duration) {}

// launchUnderClock is for Linux alone.
func launchUnderClock() {}
