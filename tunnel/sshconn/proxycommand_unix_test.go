//go:build unix

package sshconn

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// What a ProxyCommand started goes with it, and one that does not listen is killed.
func TestProxyCommandTakesItsChildrenAlong(t *testing.T) {
	for name, script := range map[string]string{
		"children": "sleep 1000 & echo $! >PIDS; wait",
		"deaf":     "trap '' HUP TERM; echo $$ >PIDS; while :; do sleep 1000; done",
	} {
		t.Run(name, func(t *testing.T) {
			wantNoLeak(t)
			pids := filepath.Join(t.TempDir(), "pids")
			p, err := startProxy("/bin/sh", "sh -c '"+strings.ReplaceAll(script, "PIDS", pids)+"'", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			var pid int
			sshtest.Eventually(t, "the script runs", func() bool {
				text, _ := os.ReadFile(pids)
				pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
				return pid > 0
			})
			p.stop()
			sshtest.Eventually(t, "its process is gone", func() bool { return gone(pid) })
		})
	}
}

// gone reports whether the process has ended; a zombie that nobody waits for counts as ended.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return bytes.Contains(stat, []byte(") Z "))
}
