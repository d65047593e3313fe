//go:build unix

package filelock

import (
	"errors"
	"os"
	"syscall"
)

const (
	exclusive = syscall.LOCK_EX
	shared    = syscall.LOCK_SH
)

// closesFirst is false: a file can be removed while it is open, and so before its lock is given up.
const closesFirst = false

func unlock(file *os.File) error { return try(file, syscall.LOCK_UN) }

// try does what flock(2) does, without waiting.
func try(file *os.File, what int) error {
	for {
		switch err := syscall.Flock(int(file.Fd()), what|syscall.LOCK_NB); {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return ErrUnsupported
		default:
			return err
		}
	}
}
