package lab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/tunneld/tunneld/tunnel/sshtest"
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

// Within polls condition until it holds; false after limit. It looks every 5 ms, later every 20 ms: others wait as well, and
// a look may be dear.
func Within(limit time.Duration, condition func() bool) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for looks := 1; ; looks++ {
		if condition() {
			return true
		}
		if looks == 100 {
			tick.Reset(20 * time.Millisecond)
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

// FreePort is [sshtest.FreePort].
func FreePort(t testing.TB) int { t.Helper(); return sshtest.FreePort(t) }

// FreePorts is [sshtest.FreePorts].
func FreePorts(t testing.TB, n int) int { t.Helper(); return sshtest.FreePorts(t, n) }

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
