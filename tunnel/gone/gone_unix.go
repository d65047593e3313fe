//go:build unix && !linux

package gone

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerGone reports whether the peer has reset or closed the connection without having said anything that is still unread.
func peerGone(fd int) bool {
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err != nil {
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	}
	return n == 0
}
