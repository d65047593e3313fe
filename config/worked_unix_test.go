//go:build unix

package config

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worked returns how long this process has run on a processor, which does not grow where others keep the machine busy.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
