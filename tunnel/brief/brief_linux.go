//go:build !race

package brief

import (
	"syscall"
	"unsafe"
)

// Read reads from a socket that does not block. Its errors are the system's.
func Read(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > Most {
		return known(syscall.Read, fd, p)
	}
	return call(syscall.SYS_READ, fd, p)
}

// Write writes to a socket that does not block. Its errors are the system's.
func Write(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > Most {
		return known(syscall.Write, fd, p)
	}
	return call(syscall.SYS_WRITE, fd, p)
}

func call(number uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
