package tunnel

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errNotOurSocket says that something else is now where we have just made a socket.
var errNotOurSocket = errors.New("something else has taken the place of the socket")

// ChmodSocket sets the permission bits of the socket at path, which we have just made. Whoever may write to its directory can
// put a link to another file there, or another file itself, in the meantime: then that is left alone, and it is an error.
func ChmodSocket(path string, mode os.FileMode) error {
	if err := chmodOwnSocket(path, uint32(mode.Perm())); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}

// ChmodDirectory sets the permission bits of a directory of ours. follow: path may be a link; otherwise a link is an error.
func ChmodDirectory(path string, mode os.FileMode, follow bool) error {
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
