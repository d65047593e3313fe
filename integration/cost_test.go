package integration

import (
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
)

func TestMemoryOfOpenConnections(t *testing.T) {
	manyFiles(t)
	for _, kind := range []func(testing.TB, string) route{localRoute, remoteRoute, dynamicRoute} {
		r := kind(t, startTarget(t, echo).address())
		t.Run(r.name, func(t *testing.T) {
			l := newLab(t)
			l.plain = true // the race detector's own memory is not what is measured
			c := l.open(tunneld, []route{r}, "-o", "TunneldEcho=off")
			check(t, r.works(patience))
			settled(c)
			before := resident(t, c.pid())
			for _, conn := range openMany(t, r, manyOpen) {
				defer conn.Close()
			}
			each := (resident(t, c.pid()) - before) / manyOpen
			t.Logf("%d bytes for each of %d open connections", each, manyOpen)
			if each > dearestOpen {
				t.Errorf("%d bytes for each open connection, want at most %d", each, dearestOpen)
			}
		})
	}
}

// openMany opens count connections, 50 at a time, and has each one carry a few bytes.
func openMany(t testing.TB, r route, count int) []net.Conn {
	t.Helper()
	conns, failures := make([]net.Conn, count), make(chan error, count)
	var group sync.WaitGroup
	turns := make(chan struct{}, 50)
	for i := range conns {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			conn, err := r.dial()
			if err == nil {
				conns[i], err = conn, exchange(conn, "a few bytes", patience)
			}
			if err != nil {
				failures <- err
			}
		})
	}
	group.Wait()
	close(failures)
	summarize(t, failures)
	if t.Failed() {
		t.FailNow()
	}
	return conns
}

// resident gives the memory that a process has in use, in bytes, when it stands still.
func resident(t testing.TB, pid int) int {
	t.Helper()
	last, since := -1, time.Now()
	within(patience, func() bool {
		if now := statusValue(t, pid, "VmRSS"); now != last {
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
	if limit.Max < 3*manyOpen {
		t.Skipf("needs %d open files, the limit is %d", 3*manyOpen, limit.Max)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}
