//go:build unix

package filemode

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const noFollow = unix.O_NOFOLLOW

// Directory sets the permission bits of a directory of ours. follow: path may be a link; otherwise a link is an error.
func Directory(path string, mode os.FileMode, follow bool) error {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	if int(now.Uid) != os.Geteuid() {
		return &os.PathError{Op: "chmod", Path: path, Err: fmt.Errorf("it belongs to user %d", now.Uid)}
	}
	if err := unix.Fchmod(fd, uint32(mode.Perm())); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

func isOwnSocket(s *unix.Stat_t) bool {
	return s.Mode&unix.S_IFMT == unix.S_IFSOCK && int(s.Uid) == os.Geteuid()
}
