package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The benchmarks run each program in turn through the same target, many times over, and print medians side by side:
// absolute figures drift with the machine, ratios do not. `go test -run '^$' -bench . ./integration`

// contenders are the programs that are measured, through a forward of the same kind.
type contenders struct {
	programs []program
	routes   map[program]route
	children map[program]*child
}

// contend opens a forward of this kind with tunneld and with ssh.
func contend(b *testing.B, kind func(testing.TB, string) route, serve func(*net.TCPConn)) *contenders {
	b.Helper()
	if raceEnabled {
		b.Skip("nothing can be learned of speed under the race detector")
	}
	manyFiles(b)
	c := &contenders{programs: []program{tunneld, openSSH}, routes: make(map[program]route), children: make(map[program]*child)}
	l := newLab(b)
	address := startTarget(b, serve).address()
	for _, p := range c.programs {
		r := kind(b, address)
		words := slices.Concat([]string{"-F", l.account.path("config"), "-o", "ExitOnForwardFailure=yes"}, r.flags)
		if p == openSSH {
			c.children[p] = l.account.run(p, l.words("ssh", "-N", alias, words))
		} else { // as people run it: without the debug log of the tests
			c.children[p] = l.account.run(p, l.words(l.account.binary(), "up", alias, words))
		}
		l.waitCarrying(c.children[p], r)
		c.routes[p] = r
	}
	return c
}

// compare measures every program once in each iteration and reports the medians and how they relate; more is better
// where the unit is one of speed.
func (c *contenders) compare(b *testing.B, unit string, once func(p program, r route) float64) {
	b.Helper()
	found := make(map[program][]float64)
	for b.Loop() {
		for _, p := range c.programs {
			found[p] = append(found[p], once(p, c.routes[p]))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, p := range c.programs {
		b.ReportMetric(median(found[p]), string(p)+"-"+unit)
	}
	b.ReportMetric(median(found[tunneld])/median(found[openSSH]), "ratio")
}

func percentile(times []time.Duration, share float64) time.Duration {
	return slices.Sorted(slices.Values(times))[int(share*float64(len(times)-1))]
}

// endless serves 'G' with a stream of zeros of the size that follows, and 'P' by reading one and answering a byte.
func endless(c *net.TCPConn) {
	var head [9]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	size, _ := strconv.ParseInt(strings.TrimSpace(string(head[1:])), 16, 64)
	if head[0] == download {
		io.Copy(struct{ io.Writer }{c}, io.LimitReader(zeros{}, size))
		return
	}
	io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c, size), make([]byte, 256<<10))
	c.Write([]byte{'.'})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// haul moves size bytes over a new connection through r.
func haul(b *testing.B, r route, direction byte, size int64) {
	conn, err := r.dial()
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%c%8x", direction, size)
	want := int64(1)
	if direction == download {
		want = size
	} else {
		io.CopyBuffer(struct{ io.Writer }{conn}, io.LimitReader(zeros{}, size), make([]byte, 256<<10))
	}
	if got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(conn, want), make([]byte, 256<<10)); got != want {
		b.Errorf("%d of %d bytes, %v", got, want, err)
	}
}

func BenchmarkThroughput(b *testing.B) {
	const size = 256 << 20
	for name, direction := range map[string]byte{"upload": upload, "download": download} {
		for _, streams := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/streams=%d", name, streams), func(b *testing.B) {
				contend(b, localRoute, endless).compare(b, "MiB/s", func(_ program, r route) float64 {
					began := time.Now()
					var all sync.WaitGroup
					for range streams {
						all.Go(func() { haul(b, r, direction, size/int64(streams)) })
					}
					all.Wait()
					return size / time.Since(began).Seconds() / (1 << 20)
				})
			})
		}
	}
}

// BenchmarkCPU tells what moving data costs, whatever the speed.
func BenchmarkCPU(b *testing.B) {
	const size = 256 << 20
	for name, direction := range map[string]byte{"upload": upload, "download": download} {
		b.Run(name, func(b *testing.B) {
			c := contend(b, localRoute, endless)
			c.compare(b, "s/GB", func(p program, r route) float64 {
				before := cpuTime(b, c.children[p].pid())
				haul(b, r, direction, size)
				return (cpuTime(b, c.children[p].pid()) - before).Seconds() * 1e9 / size
			})
		})
	}
}

// cpuTime gives what a process has used up, in user space and in the kernel.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100
}

// turn opens a connection, has an echo server send a few bytes back, and closes it.
func turn(b *testing.B, r route) time.Duration {
	began := time.Now()
	conn, err := r.dial()
	if err != nil {
		b.Error(err)
		return 0
	}
	defer conn.Close()
	if err := exchange(conn, "0123456789abcdef", patience); err != nil {
		b.Error(err)
	}
	return time.Since(began)
}

func BenchmarkOpenEchoClose(b *testing.B) {
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		b.Run(name, func(b *testing.B) {
			contend(b, localRoute, echo).compare(b, "µs", func(_ program, r route) float64 {
				var times []time.Duration
				for range 300 {
					times = append(times, turn(b, r))
				}
				return float64(percentile(times, share).Microseconds())
			})
		})
	}
}

func BenchmarkConnections50AtATime(b *testing.B) {
	contend(b, localRoute, echo).compare(b, "conn/s", func(_ program, r route) float64 {
		const each, workers = 40, 50
		began := time.Now()
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range each {
					turn(b, r)
				}
			})
		}
		all.Wait()
		return each * workers / time.Since(began).Seconds()
	})
}

func BenchmarkMemoryPerConnection(b *testing.B) {
	c := contend(b, localRoute, echo)
	c.compare(b, "B/conn", func(p program, r route) float64 {
		before := resident(b, c.children[p].pid())
		for _, conn := range openMany(b, r, manyOpen) {
			defer conn.Close()
		}
		return float64(resident(b, c.children[p].pid())-before) / manyOpen
	})
}
