package bench

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// Counts that do not depend on the machine, nor on how busy it is, but for a little: how many bytes a system call takes with it is
// a matter of how much has gathered meanwhile.

const mega = 64 // MiB that are carried

// cost is what something has cost the program.
type cost struct{ allocations, bytes, reads, writes, waits float64 }

// meter reads what a program has used up so far.
type meter struct {
	testing.TB
	own running
	url string
}

func (m meter) read() cost {
	m.Helper()
	reads, writes := m.own.calls()
	v := m.values()
	return cost{v["go_memstats_mallocs_total"], v["go_memstats_alloc_bytes_total"], reads, writes, m.own.wakeUps()}
}

// values are the program's metrics without labels.
func (m meter) values() map[string]float64 {
	m.Helper()
	response, err := http.Get(m.url) //nolint:noctx // a test's own program
	if err != nil {
		m.Fatal(err)
	}
	defer response.Body.Close()
	values := make(map[string]float64)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, text, ok := strings.Cut(lines.Text(), " "); ok {
			values[name], _ = strconv.ParseFloat(text, 64)
		}
	}
	return values
}

// measured returns what once costs, without what it costs to ask.
func (m meter) measured(once func()) cost {
	m.Helper()
	return m.least(once).less(m.least(func() {}))
}

// least returns what once costs, and to ask: the least of a few tries, since the machine may be busy.
func (m meter) least(once func()) (least cost) {
	m.Helper()
	for try := range 3 {
		before := m.read()
		once()
		if c := m.read().less(before); try == 0 {
			least = c
		} else {
			least = cost{min(least.allocations, c.allocations), min(least.bytes, c.bytes), min(least.reads, c.reads), min(least.writes, c.writes), min(least.waits, c.waits)}
		}
	}
	return least
}

func (c cost) less(other cost) cost {
	return cost{c.allocations - other.allocations, c.bytes - other.bytes, c.reads - other.reads, c.writes - other.writes, c.waits - other.waits}
}

// listening starts tunneld with metrics.
func (h *house) listening(r lab.Route, words ...string) (peer, meter) {
	h.TB.Helper()
	web := lab.Loopback(lab.FreePort(h.TB))
	p := h.tunneld(direct, r, append(words, "--listen", web, "-o", "TunneldEcho=off")...)
	return p, meter{h.TB, processes(p), "http://" + web + "/metrics"}
}

// What a megabyte costs.
func TestCostOfAMegabyte(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, m := h.listening(lab.LocalRoute(t, lab.StartTarget(t, bulk).Address()))
	for _, c := range []struct {
		name      string
		direction byte
		most      cost
	}{
		{"up", lab.Upload, cost{allocations: 100, bytes: 128 << 10, reads: 40, writes: 40}},
		{"down", lab.Download, cost{allocations: 250, bytes: 2 << 20, reads: 60, writes: 60}},
	} {
		each := m.measured(func() { p.haul(c.direction, mega<<20) })
		each = cost{each.allocations / mega, each.bytes / mega, each.reads / mega, each.writes / mega, each.waits / mega}
		t.Logf("a MiB %s: %.0f allocations of %.0f bytes in all, %.1f reads, %.1f writes, %.1f waits of a thread", c.name, each.allocations, each.bytes, each.reads, each.writes, each.waits)
		if over := each.less(c.most); over.allocations > 0 || over.bytes > 0 || over.reads > 0 || over.writes > 0 {
			t.Errorf("a MiB %s costs %+v, want at most %+v", c.name, each, c.most)
		}
		if calls := each.reads + each.writes; each.waits > calls/3 { // one call of six finds a socket empty, or full; with a scheduler that watches them, two or three of six wake a thread
			t.Errorf("a MiB %s: threads wait %.1f times, and not for sockets alone, on which there are %.1f calls", c.name, each.waits, calls)
		}
	}
}

// What a connection costs that carries a few bytes.
func TestCostOfAConnection(t *testing.T) {
	t.Parallel()
	const count = 200
	h := newHouse(t)
	target := lab.StartTarget(t, lab.Echo).Address()
	for _, c := range []struct {
		route lab.Route
		most  cost
	}{
		{lab.LocalRoute(t, target), cost{allocations: 180, bytes: 16 << 10, reads: 14, writes: 7}},
		{lab.DynamicRoute(t, target), cost{allocations: 300, bytes: 32 << 10, reads: 20, writes: 10}},
	} {
		p, m := h.listening(c.route)
		each := m.measured(func() {
			for range count {
				p.turn()
			}
		})
		each = cost{each.allocations / count, each.bytes / count, each.reads / count, each.writes / count, each.waits / count}
		t.Logf("a connection through -%s: %.0f allocations of %.0f bytes in all, %.1f reads, %.1f writes", c.route.Name, each.allocations, each.bytes, each.reads, each.writes)
		if over := each.less(c.most); over.allocations > 0 || over.bytes > 0 || over.reads > 0 || over.writes > 0 {
			t.Errorf("a connection through -%s costs %+v, want at most %+v", c.route.Name, each, c.most)
		}
		stop(p)
	}
}

// Go has one core more while connections are opened beside a transfer on one of two to the server, and not for the transfer alone.
func TestRoomBesideATransfer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, m := h.listening(lab.LocalRoute(t, lab.StartTarget(t, bulk).Address()), "-o", "TunneldConnections=2")
	cores := func() float64 { return m.values()["go_sched_gomaxprocs_threads"] }
	usual := cores()
	if usual < 1 || usual+1 > float64(runtime.NumCPU()) {
		t.Skipf("needs a core that tunneld does not use: it has %.0f of %d", usual, runtime.NumCPU())
	}
	conn, err := p.Dial()
	lab.Check(t, err)
	defer conn.Close()
	fmt.Fprintf(conn, "%c%8x", lab.Download, int64(mega)<<20)
	_, err = io.CopyN(io.Discard, conn, mega/2<<20)
	lab.Check(t, err)
	if n := cores(); n != usual {
		t.Errorf("%.0f cores for a transfer alone, %.0f before", n, usual)
	}
	for read := int64(1 << 20); cores() == usual && read < mega/2<<20; read += 1 << 20 {
		_, err := io.CopyN(io.Discard, conn, 1<<20)
		lab.Check(t, err)
		p.haul(lab.Download, 1)
	}
	if n := cores(); n != usual+1 {
		t.Errorf("%.0f cores beside a transfer, usually %.0f", n, usual)
	}
	lab.Eventually(t, lab.Patience, "all is as usual", func() bool { return cores() == usual })
}

// What an idle tunnel costs, beside the first: memory that stays, goroutines, and what it does all the time.
func TestCostOfAnIdleTunnel(t *testing.T) {
	t.Parallel()
	const (
		more        = 20
		span        = 4 * time.Second
		goroutines  = 12
		memory      = 350 << 10        // bytes
		start       = 8e6              // bytes of the first
		patience    = 40 * time.Second // where one comes up late, when memory has been given back, that of the late one is after half a minute
		allocations = 250              // a second; what a look at the metrics costs differs by a hundred
	)
	h := newHouse(t)
	a := h.aliases("idle", 1+more)
	at := func(count int, most float64) (m meter, goroutines, dirty float64, end func()) {
		web := lab.Loopback(lab.FreePort(t))
		p := a.ours(count, "--listen", web)
		a.carrying(count, time.Now())
		m = meter{t, processes(p), "http://" + web + "/metrics"}
		m.own.settle()
		<-time.After(2 * time.Second)                                                     // when all has been quiet for a while memory is given back
		lab.Within(patience, func() bool { dirty = m.own.dirty(); return dirty <= most }) // not that of all its pages: other tests share them
		return m, m.values()["go_goroutines"], dirty, func() { stop(p) }
	}
	_, one, first, end := at(1, start)
	end()
	m, many, all, end := at(1+more, first+more*memory)
	defer end()
	grown, each := (many-one)/more, (all-first)/more
	t.Logf("the first tunnel has written to %.1f MB, one more %.0f KB and %.1f goroutines", first/1e6, each/1e3, grown)
	if first > start || grown > goroutines || each > memory {
		t.Errorf("one more tunnel has %.1f goroutines and %.0f bytes, want at most %d and %d", grown, each, goroutines, memory)
	}
	woken := m.own.wakeUps()
	idle := m.measured(func() { <-time.After(span) })
	t.Logf("%.1f allocations a second for each, %.1f wake-ups for all", idle.allocations/span.Seconds()/(1+more), (m.own.wakeUps()-woken)/3/span.Seconds())
	if per := idle.allocations / span.Seconds() / (1 + more); per > allocations {
		t.Errorf("an idle tunnel allocates %.0f times a second, want at most %d", per, allocations)
	}
}
