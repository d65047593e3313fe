//go:build unix

package interactive

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// brokenOff is a file on which a signal breaks the first call off.
type brokenOff struct {
	calls int
	first func()
}

func (w *brokenOff) Read(p []byte) (int, error) {
	if w.calls++; w.calls == 1 {
		w.first()
		return -1, unix.EINTR
	}
	return len(p), nil
}

func (w *brokenOff) Write(p []byte) (int, error) { return w.Read(p) }
func (w *brokenOff) interrupt()                  {}
func (w *brokenOff) release()                    {}

// A call that a signal broke off is made again, but not once nobody waits for it any more: its number may be another file's.
func TestCallsThatASignalBreaksOff(t *testing.T) {
	for name, call := range map[string]func(*descriptor) (int, error){
		"read":  func(d *descriptor) (int, error) { return d.Read(make([]byte, 1)) },
		"write": func(d *descriptor) (int, error) { return d.Write(make([]byte, 1)) },
	} {
		w := &brokenOff{first: func() {}}
		d := &descriptor{way: w, done: make(chan struct{})}
		if n, err := call(d); n != 1 || err != nil || w.calls != 2 {
			t.Errorf("%s: %d, %v after %d calls", name, n, err, w.calls)
		}
		w = &brokenOff{}
		d = &descriptor{way: w, done: make(chan struct{})}
		w.first = d.interrupt
		if n, err := call(d); n != 0 || !errors.Is(err, errFileClosed) || w.calls != 1 {
			t.Errorf("%s that was given up: %d, %v after %d calls", name, n, err, w.calls)
		}
	}
}
