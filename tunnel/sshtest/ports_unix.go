//go:build unix

package sshtest

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// reserve returns what holds n ports in a row, or nil: somebody has one of them.
func reserve(first, n int) []net.Listener {
	var held []net.Listener
	for port := first; port < first+n; port++ {
		l, err := net.Listen("unix", fmt.Sprintf("@tunneld-test-port-%d", port))
		if err == nil {
			held = append(held, l)
		}
		if err != nil || !bindable(port) {
			for _, l := range held {
				l.Close()
			}
			return nil
		}
	}
	return held
}

// bindable reports whether nobody listens on a port. It does not listen itself: a child that is being started at this
// moment would keep that listener for a while.
func bindable(port int) bool {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM, 0) // both families
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	return unix.Bind(fd, &unix.SockaddrInet6{Port: port}) == nil
}
