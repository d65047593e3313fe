package interactive

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// noSignal keeps a write to a socket that nobody reads from being a signal.
const noSignal = unix.MSG_NOSIGNAL

// reopen opens the pipe or terminal of fd a second time: O_NONBLOCK belongs to an opening, and fd's is shared with others.
func reopen(fd, access int, info *unix.Stat_t) (way, error) {
	if info.Mode&unix.S_IFMT == unix.S_IFCHR && isMaster(info) {
		return nil, unix.EINVAL // would be a new pair
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	own, err := unix.Open(path, access|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return ownFile{os.NewFile(uintptr(own), path)}, nil
}

// isMaster knows the controlling side of a pseudo terminal (Linux, admin-guide/devices).
func isMaster(info *unix.Stat_t) bool {
	return unix.Major(info.Rdev) == 5 && unix.Minor(info.Rdev) == 2
}
