//go:build unix

package pkcs11

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A helper that never answers, and one that writes without end, end with the context, and so do their children.
func TestHelpersEndWithTheContext(t *testing.T) {
	for _, mode := range []string{"hangs", "floods"} {
		directory := asHelper(t, mode)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := Open(ctx, nil, "/lib.so", "1234")
			ended <- err
		}()
		child := filepath.Join(directory, "child")
		await(t, "the helper runs", func() bool { text, _ := os.ReadFile(child); return strings.HasSuffix(string(text), "\n") })
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", mode, err)
		}
		text, err := os.ReadFile(child)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		await(t, "its child is gone", func() bool {
			stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			return syscall.Kill(pid, 0) != nil || strings.Contains(string(stat), ") Z ")
		})
	}
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// A helper that cannot be started for want of files may be started the next time: it is not missing.
func TestNoFilesForAHelper(t *testing.T) {
	asHelper(t, "digest")
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := before
	none.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), nil, "/lib.so", "1234")
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if broken := new(HelperError); !errors.As(err, &broken) || !errors.Is(err, syscall.EMFILE) {
		t.Errorf("%v", err)
	}
}
