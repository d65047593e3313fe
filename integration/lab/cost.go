package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"testing"
)

// StatusValue reads a number from /proc/PID/status.
func StatusValue(t testing.TB, pid int, key string) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(data, []byte(key+":"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("/proc/%d/status has no %s", pid, key)
	}
	value, err := strconv.Atoi(string(fields[0]))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
