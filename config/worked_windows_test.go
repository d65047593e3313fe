package config

import (
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// worked returns how long this process has run on a processor, which does not grow where others keep the machine busy.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var begun, ended, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &begun, &ended, &kernel, &user); err != nil {
		t.Fatal(err)
	}
	ticks := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 + int64(f.LowDateTime) } // of 100 ns
	return time.Duration(ticks(kernel)+ticks(user)) * 100
}
