//go:build !windows

package sshtest

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// Gone waits until a process runs no more. One that has ended and waits for its parent does not.
func Gone(t testing.TB, pid int) {
	t.Helper()
	Eventually(t, "process "+strconv.Itoa(pid)+" is gone", func() bool { return !alive(pid) })
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}
