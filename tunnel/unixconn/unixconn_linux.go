package unixconn

import (
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a Unix connection that can be reset. Linux has no call for that, but it reports ECONNRESET to the peer of a
// socket that is closed with something unread (unix_release_sock). So the last byte that the peer sent is passed on and
// left in the kernel's queue until more comes, or the connection is closed in good order. A peer that has sent nothing at all
// takes a reset for an end.
type Conn struct {
	*net.UnixConn
	left atomic.Int32 // bytes in the kernel's queue that were passed on: 0 or 1
}

// Of returns conn in a form that has Abort, where that takes anything.
func Of(conn *net.UnixConn) Stream { return &Conn{UnixConn: conn} }

// programConn is a connection whose peer has no use for it once it has closed it: it will not come back for an answer.
type programConn struct{ *Conn }

// OfProgram returns conn, whose first byte is not to be passed on, in a form that can be reset from the beginning: that byte
// is the one that stays in the queue.
func OfProgram(conn *net.UnixConn) Stream {
	u := &Conn{UnixConn: conn}
	u.left.Store(1)
	return programConn{u}
}

// AwaitGone waits until the peer has closed the connection, and not just its own direction; false: we have. Nothing else reads
// meanwhile.
func (c programConn) AwaitGone() bool {
	raw, err := c.SyscallConn()
	return err == nil && raw.Read(func(fd uintptr) bool {
		state := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP is always told
		_, err := unix.Poll(state, 0)
		return err == nil && state[0].Revents != 0
	}) == nil
}

// ReadNow reads from the socket, which is fd, without waiting: EAGAIN where nothing new has come, 0 at the end.
func (u *Conn) ReadNow(fd int, b []byte) (int, error) {
	ended, err := hungUp(fd) // asked first: after the end nothing more comes
	if err != nil {
		return 0, err
	}
	queued, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	left := int(u.left.Load())
	switch {
	case err != nil:
		return 0, err
	case queued > left:
		return u.takeAllButOne(fd, b[:min(len(b), queued-left)], left)
	case !ended:
		return 0, syscall.EAGAIN
	}
	if errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && errno != 0 {
		return 0, syscall.Errno(errno)
	}
	return 0, nil
}

// takeAllButOne fills b, which is not longer than what is new in the queue, behind the byte that was left there. The last
// byte of b stays in the queue.
func (u *Conn) takeAllButOne(fd int, b []byte, left int) (int, error) {
	var known [1]byte
	n := len(b) - 1
	if left+n > 0 {
		taken, err := unix.Readv(fd, [][]byte{known[:left], b[:n]})
		if err != nil {
			return 0, err
		}
		n = taken - left
	}
	u.left.Store(1)
	_, _, err := unix.Recvfrom(fd, b[n:n+1], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n + 1, err
}

// hungUp reports whether the peer will send no more.
func hungUp(fd int) (bool, error) {
	state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		_, err := unix.Poll(state, 0)
		if err != unix.EINTR {
			return state[0].Revents != 0, err
		}
	}
}

// Close ends the connection in good order: what was passed on is taken from the queue first.
func (u *Conn) Close() error {
	if raw, err := u.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { u.forget(int(fd)) })
	}
	return u.UnixConn.Close()
}

// forget takes the byte that was left from the queue. More than that nobody has passed on, and the peer may know.
func (u *Conn) forget(fd int) {
	if queued, err := unix.IoctlGetInt(fd, unix.TIOCINQ); err == nil && queued == 1 && u.left.Load() == 1 {
		var known [1]byte
		unix.Recvfrom(fd, known[:], unix.MSG_DONTWAIT)
	}
}

// Abort ends the connection with a reset.
func (u *Conn) Abort() { u.UnixConn.Close() }
