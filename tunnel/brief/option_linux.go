package brief

import (
	"syscall"
	"unsafe"
)

// SetOption sets an option of a socket. Its errors are the system's.
func SetOption(fd, level, name int, value int32) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&value)), unsafe.Sizeof(value), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
