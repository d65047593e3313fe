package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Each open file has a lock of its own, so that one process is enough to see who waits for whom.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	first, second := open(), open()
	if err := Try(first); err != nil {
		t.Fatalf("a free lock: %v", err)
	}
	if err := Try(second); !errors.Is(err, ErrHeld) {
		t.Errorf("a lock that is held: %v, want %v", err, ErrHeld)
	}
	if held, err := IsHeld(second); !held || err != nil {
		t.Errorf("whether a lock is held that is: %v, %v", held, err)
	}
	impatient := errors.New("impatient")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(impatient)
	if err := Wait(ctx, second); !errors.Is(err, impatient) {
		t.Errorf("a wait that was ended: %v, want its cause", err)
	}
	got := make(chan error, 1)
	go func() { got <- Wait(t.Context(), second) }()
	first.Close()
	if err := <-got; err != nil {
		t.Errorf("the lock of a file that was closed: %v", err)
	}
	second.Close()
	third := open()
	for _, file := range []*os.File{third, open()} {
		if held, err := IsHeld(file); held || err != nil {
			t.Errorf("whether a lock is held that is not: %v, %v", held, err)
		}
	}
	if err := Try(third); err != nil {
		t.Errorf("a lock that was asked about: %v", err)
	}
	if held, err := IsHeld(second); held || err == nil {
		t.Errorf("whether the lock of a closed file is held: %v, %v", held, err)
	}
	if err := Try(second); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("a closed file: %v, want its own error", err)
	}
}

// What is removed is gone, and its lock with it.
func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Try(file), Remove(file, path)); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if file.Close() == nil {
		t.Error("it is still open")
	}
}
