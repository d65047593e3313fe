package integration

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Clients that wait for the server must not take the descriptors without which it can not be reached: under a low limit the
// tunnel never came back.
func TestHeldConnectionsLeaveDescriptors(t *testing.T) {
	t.Parallel()
	const clients = 150
	l := newLab(t, "TunneldDrain 1")
	l.prefix = []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, hasty...)
	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	var held []net.Conn
	for range clients {
		held = append(held, r.connect(t))
	}
	c.waitLine(t, from, patience, "descriptors run out", said("connections wait for others to end"))
	l.server.start()
	for i, conn := range held {
		check(t, exchange(conn, fmt.Sprint("client ", i), patience))
		conn.Close()
	}
	if failed := c.matching(func(l line) bool { return strings.Contains(l.field("err"), "too many open files") }); len(failed) > 0 {
		t.Errorf("the server could not be dialled: %v", failed)
	}
	for range clients {
		r.connect(t)
	}
	begun := time.Now()
	c.signal(syscall.SIGTERM)
	if code, took := c.waitExit(t, patience), time.Since(begun); code != 0 || took > 5*time.Second {
		t.Errorf("stopping with too many clients: exit %d after %v", code, took)
	}
}

// Clients of a target that answers nobody must not take the descriptors of other forwards: with a limit of 1024, 944
// clients that had long left kept a second forward from accepting anybody, and health said that all was well.
func TestSilentTargetLeavesOthersTheirDescriptors(t *testing.T) {
	t.Parallel()
	need(t, "prlimit")
	const clients = 150
	l := newLab(t)
	l.prefix = []string{"prlimit", "--nofile=128:128"}
	silent, good := localRoute(t, silentTarget(t)), localRoute(t, startTarget(t, echo).address())
	c := l.start(tunneld, append(silent.flags, good.flags...)...)
	waitUp(t, c, 0)
	var crowd []net.Conn
	for range clients {
		crowd = append(crowd, silent.connect(t))
	}
	c.waitLine(t, 0, patience, "that a forward has used up its share", said("connections wait for others to end"))
	check(t, good.works(patience))
	for _, ask := range [][]string{{"health", alias}, {"status", alias}} {
		if text, _ := l.account.ask(ask...); !strings.Contains(text, "share of the files") {
			t.Errorf("%s does not say which limit was met:\n%s", ask[0], text)
		}
	}
	for _, conn := range crowd {
		conn.Close()
	}
	eventually(t, patience, "those that left give their descriptors back", func() bool {
		for _, f := range l.account.status(alias).Tunnels[0].Forwards {
			if f.Open > 0 {
				return false
			}
		}
		files, _ := descriptors(c.pid())
		return files < 30
	})
	if told := c.matching(said("connections wait for others to end")); len(told) != 1 {
		t.Errorf("told %d times, want once", len(told))
	}
}

// silentTarget is a listener on which connections are never accepted, with a queue that is full: the kernel answers no
// more.
func silentTarget(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	port := freePort(t)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		one, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(one) })
		unix.Connect(one, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	return loopback(port)
}
