//go:build unix && !linux

package connect

import (
	"os"

	"golang.org/x/sys/unix"
)

// Wanted is false: nobody can tell here who made a pair of sockets.
func Wanted(_, _ *os.File) bool { return false }

// hungUp reports whether the peer of a socket has closed both its directions, or the reader of a pipe has gone.
func hungUp(fd uintptr) bool {
	state := []unix.PollFd{{Fd: int32(fd)}}
	_, err := unix.Poll(state, 0)
	return err == nil && state[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}
