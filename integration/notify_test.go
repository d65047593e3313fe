package integration

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// manager is what a service manager hears of a service (sd_notify(3)).
type manager struct {
	path string
	mu   sync.Mutex // guards heard
	// heard are the assignments, in the order in which they came.
	heard []string
}

func startManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify-") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &manager{path: filepath.Join(dir, "notify")}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() {
		message := make([]byte, 4096)
		for {
			n, err := socket.Read(message)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.heard = append(m.heard, strings.Split(string(message[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	return m
}

// all gives what has been heard so far.
func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

// wait waits for an assignment after position from that begins so, and gives the position after it.
func (m *manager) wait(t *testing.T, from int, begin string) int {
	t.Helper()
	at := -1
	if !within(patience, func() bool {
		at = slices.IndexFunc(m.all()[from:], func(s string) bool { return strings.HasPrefix(s, begin) })
		return at >= 0
	}) {
		t.Fatalf("the service manager did not hear %q; it heard %q", begin, m.all()[from:])
	}
	return from + at + 1
}

func TestTellsTheServiceManager(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.server.kill()
	m := startManager(t)
	l.prefix = []string{"env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=600000"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.start(tunneld, append(r.flags, hasty...)...)

	ready := m.wait(t, 0, "READY=1") // though the server is down
	held := r.connect(t)
	m.wait(t, ready, "STATUS=waiting")
	m.wait(t, ready, "WATCHDOG=1")
	l.server.start()
	up := m.wait(t, ready, "STATUS=up")
	check(t, exchange(held, "held since before the server was there", patience))
	held.Close()

	c.signal(syscall.SIGHUP)
	reloading := m.wait(t, up, "RELOADING=1")
	at := m.wait(t, reloading, "MONOTONIC_USEC=")
	if text := strings.TrimPrefix(m.all()[at-1], "MONOTONIC_USEC="); !isNumber(text) {
		t.Errorf("MONOTONIC_USEC=%s is not a number above zero", text)
	}
	m.wait(t, at, "READY=1")

	c.signal(syscall.SIGTERM)
	m.wait(t, at, "STOPPING=1")
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func isNumber(text string) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n > 0
}

// A local port that can not be bound must not be reported as ready.
func TestIsNotReadyWithoutItsPorts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m := startManager(t)
	l.prefix = []string{"env", "NOTIFY_SOCKET=" + m.path}
	c := l.start(tunneld, "-L", startTarget(t, echo).address()+":localhost:1")
	if code := c.waitExit(t, patience); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if heard := m.all(); slices.Contains(heard, "READY=1") {
		t.Errorf("the service manager heard %q", heard)
	}
}

func TestTakesOverSocketsOfTheServiceManager(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	var sockets []net.Listener
	for _, address := range []string{r.address, loopback(freePort(t))} {
		socket, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		sockets = append(sockets, socket)
	}
	early := r.connect(t) // into the socket's queue: nobody accepts yet
	first := l.inherit(sockets, r.flags...)
	check(t, exchange(early, "from the queue", patience))
	unused := first.waitLine(t, 0, patience, "that a socket is not used", said("inherited socket not used: no local forward has this address"))
	if unused.field("listen") != sockets[1].Addr().String() {
		t.Errorf("the unused socket is said to be %s, want %s", unused.field("listen"), sockets[1].Addr())
	}

	first.signal(syscall.SIGKILL)
	first.waitExit(t, patience)
	between := r.connect(t) // not refused, though no daemon runs
	second := l.inherit(sockets[:1], r.flags...)
	check(t, exchange(between, "between two daemons", patience))
	between.Close()
	second.signal(syscall.SIGTERM)
	second.waitExit(t, 5*time.Second)
	if !accepts(r.address) {
		t.Error("the service manager's socket ended with the daemon")
	}
}
