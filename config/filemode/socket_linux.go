package filemode

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// chmodOwnSocket holds the file by a descriptor while it looks at it, and then changes that and no other. A socket can be
// opened by O_PATH alone, and such a descriptor is changed through /proc, as in glibc's fchmodat.
func chmodOwnSocket(path string, mode uint32) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return err
	}
	if !isOwnSocket(&now) {
		return errNotOurSocket
	}
	err = unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
	if err == unix.ENOENT || err == unix.ENOTDIR { // there is no /proc
		return unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW)
	}
	return err
}
