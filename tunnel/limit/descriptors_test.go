//go:build unix

package limit

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Though descriptors are not counted for each connection, the spare ones stay free.
func TestSpareDescriptorsStayFree(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Skip(err)
	}
	low := before
	low.Cur = 200
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Skip(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	var open []*os.File
	take := func() error {
		f, err := os.Open(os.DevNull)
		if err == nil {
			open = append(open, f)
		}
		return err
	}
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for !DescriptorsScarce() {
		if err := take(); err != nil {
			t.Fatalf("after %d: %v", len(open), err)
		}
	}
	if left := descriptorsLeft(); left != 0 {
		t.Errorf("scarce while %d are left", left)
	}
	for range low.Cur / 4 {
		if err := take(); err != nil {
			t.Fatalf("the spare ones are not there: %v", err)
		}
	}
}
