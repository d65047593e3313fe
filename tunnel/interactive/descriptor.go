package interactive

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor reads or writes a file that is shared with others, such as the user's shell. It does not change the flags of
// that, keeps no thread in a call that nobody can end, and does not touch it once it is closed. The zero value with a nil
// way is as /dev/null.
type descriptor struct {
	way  way
	busy sync.Mutex // held during a call
	done chan struct{}
	once sync.Once
	ends sync.Once
}

// way is how a file is read or written. interrupt ends a call that waits and all later ones; release is called after the last.
// A call that a signal broke off is unix.EINTR: it may be one that close did not wait for, and then must not be made again, since
// the file may be another's by now.
type way interface {
	io.ReadWriter
	interrupt()
	release()
}

var errFileClosed = errors.New("the session has ended")

func inputOf(file *os.File) (*descriptor, error) { return descriptorOf(file, unix.O_RDONLY) }

func outputOf(file *os.File) (*descriptor, error) { return descriptorOf(file, unix.O_WRONLY) }

func descriptorOf(file *os.File, access int) (*descriptor, error) {
	d := &descriptor{done: make(chan struct{})}
	if file == nil {
		return d, nil
	}
	return d, control(file, func(fd int) (err error) {
		d.way, err = wayOf(fd, access)
		return err
	})
}

func wayOf(fd, access int) (way, error) {
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil {
		return nil, err
	}
	switch info.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFBLK, unix.S_IFDIR:
		return plainFile(fd), nil // the place in it is shared; it never waits
	case unix.S_IFSOCK:
		return newPolled(fd, access, true)
	case unix.S_IFCHR:
		if isTerminal(fd) {
			break
		}
		if waiting, err := newPolled(fd, access, false); err == nil {
			return waiting, nil
		}
		return plainFile(fd), nil // /dev/null and its kin, which cannot be waited for
	}
	if own, err := reopen(fd, access, &info); err == nil {
		return own, nil
	}
	return newPolled(fd, access, false)
}

func isTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, readTermios)
	return err == nil
}

// Read returns io.EOF at the end, which a terminal that is gone has, too.
func (d *descriptor) Read(p []byte) (int, error) {
	if d.way == nil {
		return 0, io.EOF
	}
	d.busy.Lock()
	defer d.busy.Unlock()
	for !d.isClosed() {
		n, err := d.way.Read(p)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case n <= 0 && err == nil:
			err = io.EOF
		}
		return max(n, 0), err
	}
	return 0, errFileClosed
}

// Write writes all of p.
func (d *descriptor) Write(p []byte) (int, error) {
	if d.way == nil {
		return len(p), nil
	}
	d.busy.Lock()
	defer d.busy.Unlock()
	for written := 0; written < len(p); {
		if d.isClosed() {
			return written, errFileClosed
		}
		n, err := d.way.Write(p[written:])
		written += max(n, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return written, err
		}
	}
	return len(p), nil
}

// closed is closed when nothing is read or written any more.
func (d *descriptor) closed() <-chan struct{} { return d.done }

func (d *descriptor) isClosed() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// interrupt is close that does not wait.
func (d *descriptor) interrupt() {
	if d == nil {
		return
	}
	d.once.Do(func() {
		close(d.done)
		if d.way != nil {
			d.way.interrupt()
		}
	})
}

// hangTime is how long a call may go on that nobody can end: a file on a network file system that does not answer.
const hangTime = time.Second

// close ends all calls and waits for them, but not for one that hangs. The file itself stays open. It may be called more than
// once, and on nil.
func (d *descriptor) close() {
	if d == nil {
		return
	}
	d.interrupt()
	if d.busy.TryLock() {
		d.releaseLocked()
		return
	}
	released := make(chan struct{})
	go func() {
		defer close(released)
		d.busy.Lock()
		d.releaseLocked()
	}()
	late := time.NewTimer(hangTime)
	defer late.Stop()
	select {
	case <-released:
	case <-late.C:
	}
}

// releaseLocked gives up what the calls needed, and the lock.
func (d *descriptor) releaseLocked() {
	defer d.busy.Unlock()
	d.ends.Do(func() {
		if d.way != nil {
			d.way.release()
		}
	})
}

// plainFile is a file that calls do not wait for.
type plainFile int

func (f plainFile) Read(p []byte) (int, error)  { return unix.Read(int(f), p) }
func (f plainFile) Write(p []byte) (int, error) { return unix.Write(int(f), p) }
func (plainFile) interrupt()                    {}
func (plainFile) release()                      {}

// ownFile is a second opening of a file, in Go's poller.
type ownFile struct{ *os.File }

func (f ownFile) interrupt() { f.Close() }
func (ownFile) release()     {}

// retry calls again what a signal broke off.
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
