package sshtest

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ports hands out ports that nobody else holds. They lie below the range the kernel takes for outgoing connections, so
// that a server can be started again on its port while clients come and go. An abstract Unix socket of the port's number
// reserves it among all test processes of the machine, until this one ends.
var ports = struct {
	sync.Mutex
	next int
	held []net.Listener
}{next: 10000 + os.Getpid()*37%20000}

// FreePort returns a TCP port that is free on all addresses now, and that no other test is given.
func FreePort(t testing.TB) int {
	t.Helper()
	return FreePorts(t, 1)
}

// FreePorts returns the first of n TCP ports in a row that are free on all addresses now, and that no other test is given.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 2000 {
		if ports.next+n >= 32000 {
			ports.next = 10000
		}
		first := ports.next + 1
		ports.next += n
		if held := reserve(first, n); held != nil {
			ports.held = append(ports.held, held...)
			return first
		}
	}
	t.Fatal("no free port between 10000 and 32000")
	return 0
}

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
