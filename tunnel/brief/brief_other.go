//go:build unix && (!linux || race)

// The race detector learns from what package syscall does that what was sent happened before what is received.

package brief

import "syscall"

// Read reads from a socket that does not block. Its errors are the system's.
func Read(fd int, p []byte) (int, error) { return known(syscall.Read, fd, p) }

// Write writes to a socket that does not block. Its errors are the system's.
func Write(fd int, p []byte) (int, error) { return known(syscall.Write, fd, p) }
