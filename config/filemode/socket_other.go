//go:build unix && !linux

package filemode

import "golang.org/x/sys/unix"

func chmodOwnSocket(path string, mode uint32) error {
	var now unix.Stat_t
	if err := unix.Lstat(path, &now); err != nil {
		return err
	}
	if !isOwnSocket(&now) {
		return errNotOurSocket
	}
	return unix.Fchmodat(unix.AT_FDCWD, path, mode, unix.AT_SYMLINK_NOFOLLOW)
}
