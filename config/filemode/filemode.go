// Package filemode sets the permission bits of what this program has just made, and of nothing that somebody has put in its
// place. It is a leaf below config because cmd/tunneld and tunnel both make sockets.
package filemode

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errNotOurSocket says that something else is now where we have just made a socket.
var errNotOurSocket = errors.New("something else has taken the place of the socket")

// Socket sets the permission bits of the socket at path, which we have just made. Whoever may write to its directory can
// put a link to another file there, or another file itself, in the meantime: then that is left alone, and it is an error.
func Socket(path string, mode os.FileMode) error {
	if err := chmodOwnSocket(path, uint32(mode.Perm())); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

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
