package service

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/sys/unix"
)

// Clients that wait for the server must not take the descriptors without which it cannot be reached: under a low limit the
// tunnel never came back.
func TestHeldConnectionsLeaveDescriptors(t *testing.T) {
	t.Parallel()
	const clients = 150
	l := lab.New(t, "TunneldDrain 1")
	l.Prefix = []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	from := c.Mark()
	l.Server.Kill()
	lab.WaitLost(t, c, from, lab.Patience)
	var held []net.Conn
	for range clients {
		held = append(held, r.Connect(t))
	}
	c.WaitLine(t, from, lab.Patience, "descriptors run out", lab.Said("connections wait for others to end"))
	l.Server.Start()
	for i, conn := range held {
		lab.Check(t, lab.Exchange(conn, fmt.Sprint("client ", i), lab.Patience))
		conn.Close()
	}
	if failed := c.Matching(func(l lab.Line) bool { return strings.Contains(l.Field("err"), "too many open files") }); len(failed) > 0 {
		t.Errorf("the server could not be dialled: %v", failed)
	}
	for range clients {
		r.Connect(t)
	}
	begun := time.Now()
	c.Signal(syscall.SIGTERM)
	if code, took := c.WaitExit(t, lab.Patience), time.Since(begun); code != 0 || took > 5*time.Second {
		t.Errorf("stopping with too many clients: exit %d after %v", code, took)
	}
}

// Clients of a target that answers nobody must not take the descriptors of other forwards: with a limit of 1024, 944
// clients that had long left kept a second forward from accepting anybody, and health said that all was well.
func TestSilentTargetLeavesOthersTheirDescriptors(t *testing.T) {
	t.Parallel()
	lab.Need(t, "prlimit")
	const clients = 150
	l := lab.New(t)
	l.Prefix = []string{"prlimit", "--nofile=128:128"}
	silent, good := lab.LocalRoute(t, silentTarget(t)), lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(silent.Flags, good.Flags...)...)
	lab.WaitUp(t, c, 0)
	var crowd []net.Conn
	for range clients {
		crowd = append(crowd, silent.Connect(t))
	}
	c.WaitLine(t, 0, lab.Patience, "that a forward has used up its share", lab.Said("connections wait for others to end"))
	lab.Check(t, good.Works(lab.Patience))
	for _, ask := range [][]string{{"health", lab.Alias}, {"status", lab.Alias}} {
		if text, _ := l.Account.Ask(ask...); !strings.Contains(text, "share of the files") {
			t.Errorf("%s does not say which limit was met:\n%s", ask[0], text)
		}
	}
	for _, conn := range crowd {
		conn.Close()
	}
	lab.Eventually(t, lab.Patience, "those that left give their descriptors back", func() bool {
		for _, f := range l.Account.Status(lab.Alias).Tunnels[0].Forwards {
			if f.Open > 0 {
				return false
			}
		}
		files, _ := lab.Descriptors(c.Pid())
		return files < 30
	})
	if told := c.Matching(lab.Said("connections wait for others to end")); len(told) != 1 {
		t.Errorf("told %d times, want once", len(told))
	}
}

// silentTarget is a listener on which connections are never accepted, with a queue that is full: the kernel answers no
// more.
func silentTarget(t testing.TB) string {
	t.Helper()
	fd := streamSocket(t)
	port := lab.FreePort(t)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		one := streamSocket(t)
		unix.SetNonblock(one, true)
		unix.Connect(one, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	return lab.Loopback(port)
}

// streamSocket makes a socket that children do not inherit, until the end of the test.
func streamSocket(t testing.TB) int {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}
