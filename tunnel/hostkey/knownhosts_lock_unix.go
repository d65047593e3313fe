//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package hostkey

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock of a file if nobody has it. Where the file system knows no locks, it counts as taken.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil, errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	}
	return false, err
}

// giveTo makes the owner of the old file that of the new one. Only root can give files away; for others they are the same.
func giveTo(file *os.File, old os.FileInfo) {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok {
		file.Chown(int(stat.Uid), int(stat.Gid))
	}
}
