package interactive

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
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
// A call that a signal broke off (isBrokenOff): it may be one that close did not wait for, and then must not be made again, since
// the file may be another's by now.
type way interface {
	io.ReadWriter
	interrupt()
	release()
}

var errFileClosed = errors.New("the session has ended")

func inputOf(file *os.File) (*descriptor, error) { return descriptorOf(file, os.O_RDONLY) }

func outputOf(file *os.File) (*descriptor, error) { return descriptorOf(file, os.O_WRONLY) }

func descriptorOf(file *os.File, access int) (d *descriptor, err error) {
	d = &descriptor{done: make(chan struct{})}
	if file != nil {
		d.way, err = openWay(file, access)
	}
	return d, err
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
		case isBrokenOff(err):
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
		if err != nil && !isBrokenOff(err) {
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
