package bench

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

const chunkSize = 256 << 10

// bulk serves a stream of zeros of the size that follows lab.Download, and reads one after lab.Upload, for which it answers a
// byte.
func bulk(c *net.TCPConn) {
	var head [9]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	size, _ := strconv.ParseInt(strings.TrimSpace(string(head[1:])), 16, 64)
	if head[0] == lab.Download {
		io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(zeros{}, size), make([]byte, chunkSize))
		return
	}
	io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c, size), make([]byte, chunkSize))
	c.Write([]byte{'.'})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// haul moves size bytes over a new connection.
func (p peer) haul(direction byte, size int64) {
	conn, err := p.Dial()
	if err != nil {
		p.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%c%8x", direction, size)
	want := int64(1)
	if direction == lab.Download {
		want = size
	} else {
		io.CopyBuffer(struct{ io.Writer }{conn}, io.LimitReader(zeros{}, size), make([]byte, chunkSize))
	}
	if got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, want), make([]byte, chunkSize)); got != want {
		p.Errorf("%d of %d bytes, %v", got, want, err)
	}
}

// hauls moves size bytes over some connections at once, and returns MiB per second, and seconds of CPU for each GB.
func (p peer) hauls(direction byte, streams int, size int64) []float64 {
	own := processes(p)
	before, began := own.cpu(), time.Now()
	var all sync.WaitGroup
	for range streams {
		all.Go(func() { p.haul(direction, size/int64(streams)) })
	}
	all.Wait()
	took := time.Since(began).Seconds()
	return []float64{float64(size) / took / (1 << 20), (own.cpu() - before) * 1e9 / float64(size)}
}

var directions = []struct {
	name           string
	direction      byte
	aim, cpu, four string
}{{"up", lab.Upload, "≥ 1.3", "≤ 0.9", "≥ 1.5"}, {"down", lab.Download, "≥ 1.0", "≤ 1.2", "≥ 1.5"}}

func BenchmarkOneStream(b *testing.B) { oneStream(b) }

func oneStream(t testing.TB) {
	h := newHouse(t)
	target := lab.StartTarget(t, bulk).Address()
	ours := h.tunneld(direct, lab.LocalRoute(t, target))
	for _, rival := range []struct {
		name  string
		words []string
	}{{"ssh -c aes128-gcm@openssh.com", fastest}, {"ssh", nil}} {
		theirs := h.ssh(direct, lab.LocalRoute(t, target), rival.words...)
		for _, d := range directions {
			columns := []column{{"one stream " + d.name, "MiB/s", d.aim}, {"CPU " + d.name, "s/GB", d.cpu}}
			if rival.words == nil {
				columns[0].aim, columns[1].aim = "", ""
			}
			run(t, d.name+"/"+rival.name, func(t testing.TB) {
				turns(t, rival.name, columns, func() []float64 { return ours.hauls(d.direction, 1, much.bulk) }, func() []float64 { return theirs.hauls(d.direction, 1, much.bulk) })
			})
		}
		stop(theirs)
	}
}

func BenchmarkFourStreams(b *testing.B) { fourStreams(b) }

func fourStreams(t testing.TB) {
	h := newHouse(t)
	target := lab.StartTarget(t, bulk).Address()
	theirs := h.ssh(direct, lab.LocalRoute(t, target))
	for i, aim := range []string{"≥ 1.5", "≥ 2.0"} {
		connections := i + 1
		ours := h.tunneld(direct, lab.LocalRoute(t, target), "-o", fmt.Sprint("TunneldConnections=", connections))
		for _, d := range directions {
			run(t, fmt.Sprint(d.name, "/connections=", connections), func(t testing.TB) {
				turns(t, "ssh", []column{{fmt.Sprintf("four streams %s, TunneldConnections %d", d.name, connections), "MiB/s", aim}},
					func() []float64 { return ours.hauls(d.direction, 4, much.bulk) }, func() []float64 { return theirs.hauls(d.direction, 4, much.bulk) })
			})
		}
		stop(ours)
	}
}

// turn opens a connection, has an echo server send a few bytes back, and closes it.
func (p peer) turn() time.Duration {
	began := time.Now()
	conn, err := p.Dial()
	if err != nil {
		p.Error(err)
		return 0
	}
	defer conn.Close()
	if err := lab.Exchange(conn, "0123456789abcdef", lab.Patience); err != nil {
		p.Error(err)
	}
	return time.Since(began)
}

// share returns a percentile of many turns, in microseconds.
func (p peer) share(share float64, count int) []float64 {
	var times []time.Duration
	for range count {
		times = append(times, p.turn())
	}
	return []float64{float64(slices.Sorted(slices.Values(times))[int(share*float64(count-1))].Microseconds())}
}

// rate is that of many turns, 50 at a time, per second, and the microseconds of CPU for each.
func (p peer) rate() []float64 {
	const workers = 50
	own := processes(p)
	before, began := own.ran(), time.Now()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range much.each {
				p.turn()
			}
		})
	}
	all.Wait()
	count, took := float64(much.each*workers), time.Since(began).Seconds()
	return []float64{count / took, (own.ran() - before) / 1e3 / count}
}

func BenchmarkOpenEchoClose(b *testing.B) { openEchoClose(b) }

func openEchoClose(t testing.TB) {
	h := newHouse(t)
	target := lab.StartTarget(t, lab.Echo).Address()
	for _, kind := range []func(testing.TB, string) lab.Route{lab.LocalRoute, lab.DynamicRoute} {
		ours, theirs := h.tunneld(direct, kind(t, target)), h.ssh(direct, kind(t, target))
		run(t, "one/"+ours.Route.Name, func(t testing.TB) {
			turns(t, "ssh", []column{{"open, echo, close through -" + ours.Route.Name + ", p50", "µs", "≤ 1.0"}},
				func() []float64 { return ours.share(0.5, much.turns) }, func() []float64 { return theirs.share(0.5, much.turns) })
		})
		run(t, "50/"+ours.Route.Name, func(t testing.TB) {
			turns(t, "ssh", []column{{"50 at a time through -" + ours.Route.Name, "a second", "≥ 1.5"}, {"CPU of each of 50 at a time through -" + ours.Route.Name, "µs", ""}}, ours.rate, theirs.rate)
		})
		stop(ours)
		stop(theirs)
	}
}

// A small request while a bulk transfer runs through the same tunnel.
func BenchmarkSmallBesideBulk(b *testing.B) { smallBesideBulk(b) }

func smallBesideBulk(t testing.TB) {
	h := newHouse(t)
	echo, streams := lab.StartTarget(t, lab.Echo).Address(), lab.StartTarget(t, bulk).Address()
	start := func(program func(string, lab.Route, ...string) peer, flags ...string) (small, large peer) {
		narrow, wide := lab.LocalRoute(t, echo), lab.LocalRoute(t, streams)
		small = program(direct, narrow, append(flags, wide.Flags...)...)
		return small, peer{t, small.child, wide}
	}
	small, large := start(h.ssh)
	for i, what := range []string{"a small request beside a bulk transfer, p99", "the same, TunneldConnections 2"} {
		quick, hauling := start(h.tunneld, "-o", fmt.Sprint("TunneldConnections=", i+1))
		run(t, fmt.Sprint("connections=", i+1), func(t testing.TB) {
			turns(t, "ssh", []column{{what, "µs", "≤ 0.5"}}, func() []float64 { return quick.shareBeside(hauling) }, func() []float64 { return small.shareBeside(large) })
		})
		stop(quick)
	}
}

// shareBeside returns what 99 of 100 turns of p take at most while bulk goes through q, in microseconds.
func (p peer) shareBeside(q peer) []float64 {
	var hauling sync.WaitGroup
	var over atomic.Bool
	hauling.Go(func() {
		for !over.Load() {
			q.haul(lab.Download, much.bulk)
		}
	})
	defer hauling.Wait()
	defer over.Store(true)
	return p.share(0.99, much.turns)
}
