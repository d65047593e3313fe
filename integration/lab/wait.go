package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a test waits for what ought to be quick. It is long because the machine may be busy; a
// condition that is about time measures for itself.
const Patience = 20 * time.Second

// Eventually polls condition until it holds, and ends the test after limit.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	if !Within(limit, condition) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// Within polls condition until it holds; false after limit.
func Within(limit time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if condition() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			return condition()
		}
	}
}

// Never polls condition for as long as it may not hold.
func Never(t testing.TB, span time.Duration, what string, condition func() bool) {
	t.Helper()
	if Within(span, condition) {
		t.Fatalf("within %v: %s", span, what)
	}
}

// Need skips the test unless the programs are installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := FindProgram(program); err != nil {
			t.Skipf("needs %s: not installed; as root, make tools installs it", program)
		}
	}
}

// NeedRoot skips the test unless it runs as root.
func NeedRoot(t testing.TB, why string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("needs root: %s", why)
	}
}

// FindProgram looks in PATH and where Debian keeps servers, which an ordinary PATH leaves out.
func FindProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(dir + name)
	}
	return path, err
}

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
		return !Accepts(Loopback(port))
	}
	defer unix.Close(fd)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	return unix.Bind(fd, &unix.SockaddrInet6{Port: port}) == nil
}

// Loopback returns 127.0.0.1:port.
func Loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// Accepts reports whether a connection to address is accepted.
func Accepts(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
