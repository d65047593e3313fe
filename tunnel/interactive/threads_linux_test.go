package interactive

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A session waits for its files in no thread, while it runs and after it, however long nobody reads or writes there.
func TestSessionsTakeNoThreads(t *testing.T) {
	const count, most = 100, 30
	for _, kind := range []struct {
		name string
		make func(*testing.T) (near, far *os.File)
	}{
		{"pipes", func(t *testing.T) (*os.File, *os.File) { r, w := pipe(t); return w, r }},
		{"sockets", func(t *testing.T) (*os.File, *os.File) { return sockets(t) }},
		{"terminals", func(t *testing.T) (*os.File, *os.File) { keyboard, tty := pty(t); return tty, keyboard }},
		{"controlling sides of terminals", func(t *testing.T) (*os.File, *os.File) { keyboard, tty := pty(t); return keyboard, tty }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			before := threads(t)
			ctx, cancel := context.WithCancel(t.Context())
			var runs []*ran
			for range count {
				out, _ := kind.make(t)
				in, other := kind.make(t) // nobody types
				if kind.name == "pipes" {
					in = other
				}
				c := newFakeChannel()
				runs = append(runs, begin(ctx, t, c, Request{Command: "yes"}, Files{in, out, nil}))
				go io.Copy(c.toOut, endless{}) // nobody reads
			}
			for i, run := range runs {
				select {
				case <-run.done:
					t.Fatalf("session %d ended by itself: %v", i, run.err)
				case <-time.After(2 * time.Millisecond):
				}
			}
			if now := threads(t); now-before > most {
				t.Errorf("%d sessions take %d threads", count, now-before)
			}
			cancel()
			for _, run := range runs {
				if _, err := run.wait(); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
			if now := threads(t); now-before > most {
				t.Errorf("%d threads are left", now-before)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A pipe that cannot be opened a second time is filled and emptied all the same, and a call that finds nothing because somebody
// else was faster waits again.
func TestPipeThatIsNotReopened(t *testing.T) {
	for _, kind := range []func(*testing.T) (*os.File, *os.File){pipe, sockets} {
		r, w := kind(t)
		out, err := newPolledOf(w, unix.O_WRONLY)
		if err != nil {
			t.Fatal(err)
		}
		in, err := newPolledOf(r, unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(i * 7)
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := out.Write(sent)
			wrote <- err
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(in, got); err != nil || string(got) != string(sent) {
			t.Errorf("%v", err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := in.Read(got)
			ended <- err
		}()
		select {
		case err := <-ended:
			t.Errorf("read something from nothing: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		in.close()
		if err := <-ended; !errors.Is(err, errFileClosed) {
			t.Error(err)
		}
		out.close()
		if flags(t, r)&unix.O_NONBLOCK != 0 || flags(t, w)&unix.O_NONBLOCK != 0 {
			t.Error("the flags of a shared file were changed")
		}
	}
}

func newPolledOf(f *os.File, access int) (*descriptor, error) {
	d := &descriptor{done: make(chan struct{})}
	return d, control(f, func(fd int) (err error) {
		var info unix.Stat_t
		if err = unix.Fstat(fd, &info); err != nil {
			return err
		}
		d.way, err = newPolled(fd, access, info.Mode&unix.S_IFMT == unix.S_IFSOCK)
		return err
	})
}

// hung is a file that does not answer.
type hung struct{ answer chan struct{} }

func (f hung) Read([]byte) (int, error)  { <-f.answer; return 0, io.EOF }
func (f hung) Write([]byte) (int, error) { <-f.answer; return 0, io.EOF }
func (hung) interrupt()                  {}
func (hung) release()                    {}

// The end of a session does not wait for a file that hangs, such as one on a network file system.
func TestFileThatHangs(t *testing.T) {
	answer := make(chan struct{})
	d := &descriptor{way: hung{answer}, done: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Write([]byte("x"))
	}()
	eventually(t, "the call", func() bool {
		if d.busy.TryLock() {
			d.busy.Unlock()
			return false
		}
		return true
	})
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		d.close()
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("close waits for the file")
	}
	close(answer)
	<-ended
	<-closed
}
