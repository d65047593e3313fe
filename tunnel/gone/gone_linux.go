package gone

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// peerGone reports whether the peer has reset or closed the connection without having said anything that is still unread.
// One that has sent a request and then its end may be waiting for the answer.
func peerGone(fd int) bool {
	state := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if n, err := unix.Poll(state, 0); err != nil || n == 0 {
		return false
	}
	if state[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
		return true
	}
	return saidNothing(fd)
}

// saidNothing reports whether the first thing to be read is the end.
func saidNothing(fd int) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil
}
