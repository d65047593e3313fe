package service

import (
	"github.com/tunneld/tunneld/integration/lab"
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

// all returns what has been heard so far.
func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

// wait waits for an assignment after position from that begins so, and returns the position after it.
func (m *manager) wait(t *testing.T, from int, begin string) int {
	t.Helper()
	at := -1
	if !lab.Within(lab.Patience, func() bool {
		at = slices.IndexFunc(m.all()[from:], func(s string) bool { return strings.HasPrefix(s, begin) })
		return at >= 0
	}) {
		t.Fatalf("the service manager did not hear %q; it heard %q", begin, m.all()[from:])
	}
	return from + at + 1
}

func TestTellsTheServiceManager(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Server.Kill()
	m := startManager(t)
	l.Prefix = []string{"env", "NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=600000"}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)

	ready := m.wait(t, 0, "READY=1") // though the server is down
	held := r.Connect(t)
	m.wait(t, ready, "STATUS=waiting")
	m.wait(t, ready, "WATCHDOG=1")
	l.Server.Start()
	up := m.wait(t, ready, "STATUS=up")
	lab.Check(t, lab.Exchange(held, "held since before the server was there", lab.Patience))
	held.Close()

	c.Signal(syscall.SIGHUP)
	reloading := m.wait(t, up, "RELOADING=1")
	at := m.wait(t, reloading, "MONOTONIC_USEC=")
	if text := strings.TrimPrefix(m.all()[at-1], "MONOTONIC_USEC="); !isNumber(text) {
		t.Errorf("MONOTONIC_USEC=%s is not a number above zero", text)
	}
	m.wait(t, at, "READY=1")

	c.Signal(syscall.SIGTERM)
	m.wait(t, at, "STOPPING=1")
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func isNumber(text string) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n > 0
}

// A local port that cannot be bound must not be reported as ready.
func TestIsNotReadyWithoutItsPorts(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	m := startManager(t)
	l.Prefix = []string{"env", "NOTIFY_SOCKET=" + m.path}
	c := l.Start(lab.Tunneld, "-L", lab.StartTarget(t, lab.Echo).Address()+":localhost:1")
	if code := c.WaitExit(t, lab.Patience); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	if heard := m.all(); slices.Contains(heard, "READY=1") {
		t.Errorf("the service manager heard %q", heard)
	}
}

func TestTakesOverSocketsOfTheServiceManager(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	var sockets []net.Listener
	for _, address := range []string{r.Address, lab.Loopback(lab.FreePort(t))} {
		socket, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		sockets = append(sockets, socket)
	}
	early := r.Connect(t) // into the socket's queue: nobody accepts yet
	first := l.Inherit(sockets, r.Flags...)
	lab.Check(t, lab.Exchange(early, "from the queue", lab.Patience))
	unused := first.WaitLine(t, 0, lab.Patience, "that a socket is not used", lab.Said("inherited socket not used: no local forward has this address"))
	if unused.Field("listen") != sockets[1].Addr().String() {
		t.Errorf("the unused socket is said to be %s, want %s", unused.Field("listen"), sockets[1].Addr())
	}

	first.Signal(syscall.SIGKILL)
	first.WaitExit(t, lab.Patience)
	between := r.Connect(t) // not refused, though no daemon runs
	second := l.Inherit(sockets[:1], r.Flags...)
	lab.Check(t, lab.Exchange(between, "between two daemons", lab.Patience))
	between.Close()
	second.Signal(syscall.SIGTERM)
	second.WaitExit(t, 5*time.Second)
	if !lab.Accepts(r.Address) {
		t.Error("the service manager's socket ended with the daemon")
	}
}
