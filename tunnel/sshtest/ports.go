package sshtest

import (
	"net"
	"os"
	"sync"
	"testing"
)

// ports hands out ports that nobody else holds. They lie below the range the kernel takes for outgoing connections, so
// that a server can be started again on its port while clients come and go. On Linux an abstract Unix socket of the port's
// number reserves it among all test processes of the machine, until this one ends.
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
