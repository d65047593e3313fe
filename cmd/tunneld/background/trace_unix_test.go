//go:build unix

package background

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Whoever looks keeps nobody else from looking.
func TestTwoLookAtATrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.ended")
	_, die := leave(t, path, "one")
	die()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH); err != nil { // as one who looks does for a moment
		t.Fatal(err)
	}
	if readTrace(path) == "" {
		t.Error("the second one sees nothing")
	}
}
