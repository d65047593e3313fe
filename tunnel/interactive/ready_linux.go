package interactive

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readiness waits until a file can be read, or written. The file is watched by an epoll(7) descriptor of its own, which is in
// Go's poller: that takes no thread, and needs none of the file's flags.
type readiness struct {
	epoll *os.File
	raw   syscall.RawConn
}

func newReadiness(fd, access int) (*readiness, error) {
	own, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if access == unix.O_WRONLY {
		event.Events = unix.EPOLLOUT
	}
	err = unix.EpollCtl(own, unix.EPOLL_CTL_ADD, fd, &event)
	if err == nil {
		err = unix.SetNonblock(own, true)
	}
	if err != nil {
		unix.Close(own)
		return nil, err
	}
	epoll := os.NewFile(uintptr(own), "epoll")
	raw, err := epoll.SyscallConn()
	if err != nil {
		epoll.Close()
		return nil, err
	}
	return &readiness{epoll, raw}, nil
}

func (r *readiness) interrupt() { r.epoll.Close() }
func (r *readiness) release()   {}

// wait returns when the file is ready, or after interrupt.
func (r *readiness) wait() error {
	var waiting error
	err := r.raw.Read(func(epoll uintptr) bool {
		var n int
		n, waiting = retry(func() (int, error) {
			var events [1]unix.EpollEvent
			return unix.EpollWait(int(epoll), events[:], 0)
		})
		return n > 0 || waiting != nil
	})
	if err != nil {
		return errFileClosed
	}
	return waiting
}
