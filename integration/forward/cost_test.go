package forward

import (
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The price of an open connection that is quiet, over all of the process: 2,000 at once through one session.
const (
	manyOpen    = 2000
	dearestOpen = 35 << 10 // bytes
	costTries   = 5        // of which the cheapest counts
)

func TestMemoryOfOpenConnections(t *testing.T) {
	manyFiles(t)
	for _, kind := range []func(testing.TB, string) lab.Route{lab.LocalRoute, lab.RemoteRoute, lab.DynamicRoute} {
		r := kind(t, lab.StartTarget(t, lab.Echo).Address())
		t.Run(r.Name, func(t *testing.T) {
			l := lab.New(t)
			l.Plain = true                        // the race detector's own memory is not what is measured
			l.Prefix = []string{"env", "GOGC=20"} // nor is much of what the collector has not freed yet, which a busy machine has more of
			for try := range costTries {
				each := costOfOpen(t, l, r)
				t.Logf("%d bytes for each of %d open connections", each, manyOpen)
				if each <= dearestOpen {
					return
				}
				if try == costTries-1 {
					t.Errorf("%d bytes for each open connection, want at most %d", each, dearestOpen)
				}
			}
		})
	}
}

// costOfOpen returns how much larger a tunnel is with many connections open than before, in bytes for each of them.
func costOfOpen(t *testing.T, l *lab.Lab, r lab.Route) int {
	t.Helper()
	c := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldEcho=off")
	lab.Check(t, r.Works(lab.Patience))
	lab.Settled(c)
	before := resident(t, c.Pid())
	conns := openMany(t, r, manyOpen)
	after := resident(t, c.Pid())
	for _, conn := range conns {
		conn.Close()
	}
	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	return (after - before) / manyOpen
}

// openMany opens count connections, 50 at a time, and has each one carry a few bytes.
func openMany(t testing.TB, r lab.Route, count int) []net.Conn {
	t.Helper()
	conns, failures := make([]net.Conn, count), make(chan error, count)
	var group sync.WaitGroup
	turns := make(chan struct{}, 50)
	for i := range conns {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			conn, err := r.Dial()
			if err == nil {
				conns[i], err = conn, lab.Exchange(conn, "a few bytes", lab.Patience)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	lab.Summarize(t, failures)
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// resident returns the memory that a process has in use, in bytes, when it stands still.
func resident(t testing.TB, pid int) int {
	t.Helper()
	last, since := -1, time.Now()
	lab.Within(lab.Patience, func() bool {
		if now := lab.StatusValue(t, pid, "VmRSS"); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
	return last << 10
}

// manyFiles raises the limit of open files as far as it goes, for the programs that the test starts, too.
func manyFiles(t testing.TB) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if uint64(limit.Max) < 3*manyOpen { //nolint:unconvert // an int64 on FreeBSD
		t.Skipf("needs %d open files, the limit is %d", 3*manyOpen, limit.Max)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
