package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	programs []lab.Program
	routes   map[lab.Program]lab.Route
	children map[lab.Program]*lab.Child
}

// contend opens a forward of this kind with tunneld and with ssh.
func contend(b *testing.B, kind func(testing.TB, string) lab.Route, serve func(*net.TCPConn)) *contenders {
	b.Helper()
	if lab.RaceEnabled {
		b.Skip("nothing can be learned of speed under the race detector")
	}
	manyFiles(b)
	c := &contenders{programs: []lab.Program{lab.Tunneld, lab.OpenSSH}, routes: make(map[lab.Program]lab.Route), children: make(map[lab.Program]*lab.Child)}
	l := lab.New(b)
	address := lab.StartTarget(b, serve).Address()
	for _, p := range c.programs {
		r := kind(b, address)
		words := slices.Concat([]string{"-F", l.Account.Path("config"), "-o", "ExitOnForwardFailure=yes"}, r.Flags)
		if p == lab.OpenSSH {
			c.children[p] = l.Account.Run(p, l.Words("ssh", "-N", lab.Alias, words))
		} else { // as people run it: without the debug log of the tests
			c.children[p] = l.Account.Run(p, l.Words(l.Account.Binary(), "up", lab.Alias, words))
		}
		l.WaitCarrying(c.children[p], r)
		c.routes[p] = r
	}
	return c
}

// compare measures every program once in each iteration and reports the medians and how they relate; more is better
// where the unit is one of speed.
func (c *contenders) compare(b *testing.B, unit string, once func(p lab.Program, r lab.Route) float64) {
	b.Helper()
	found := make(map[lab.Program][]float64)
	for b.Loop() {
		for _, p := range c.programs {
			found[p] = append(found[p], once(p, c.routes[p]))
		}
	}
	b.ReportMetric(0, "ns/op")
	for _, p := range c.programs {
		b.ReportMetric(lab.Median(found[p]), string(p)+"-"+unit)
	}
	b.ReportMetric(lab.Median(found[lab.Tunneld])/lab.Median(found[lab.OpenSSH]), "ratio")
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
	if head[0] == lab.Download {
		io.Copy(struct{ io.Writer }{c}, io.LimitReader(zeros{}, size))
		return
	}
	io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(c, size), make([]byte, 256<<10))
	c.Write([]byte{'.'})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// haul moves size bytes over a new connection through r.
func haul(b *testing.B, r lab.Route, direction byte, size int64) {
	conn, err := r.Dial()
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%c%8x", direction, size)
	want := int64(1)
	if direction == lab.Download {
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
	for name, direction := range map[string]byte{"upload": lab.Upload, "download": lab.Download} {
		for _, streams := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/streams=%d", name, streams), func(b *testing.B) {
				contend(b, lab.LocalRoute, endless).compare(b, "MiB/s", func(_ lab.Program, r lab.Route) float64 {
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

// BenchmarkCPU measures what moving data costs, whatever the speed.
func BenchmarkCPU(b *testing.B) {
	const size = 256 << 20
	for name, direction := range map[string]byte{"upload": lab.Upload, "download": lab.Download} {
		b.Run(name, func(b *testing.B) {
			c := contend(b, lab.LocalRoute, endless)
			c.compare(b, "s/GB", func(p lab.Program, r lab.Route) float64 {
				before := cpuTime(b, c.children[p].Pid())
				haul(b, r, direction, size)
				return (cpuTime(b, c.children[p].Pid()) - before).Seconds() * 1e9 / size
			})
		})
	}
}

// cpuTime returns what a process has used up, in user space and in the kernel.
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
func turn(b *testing.B, r lab.Route) time.Duration {
	began := time.Now()
	conn, err := r.Dial()
	if err != nil {
		b.Error(err)
		return 0
	}
	defer conn.Close()
	if err := lab.Exchange(conn, "0123456789abcdef", lab.Patience); err != nil {
		b.Error(err)
	}
	return time.Since(began)
}

func BenchmarkOpenEchoClose(b *testing.B) {
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		b.Run(name, func(b *testing.B) {
			contend(b, lab.LocalRoute, lab.Echo).compare(b, "µs", func(_ lab.Program, r lab.Route) float64 {
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
	contend(b, lab.LocalRoute, lab.Echo).compare(b, "conn/s", func(_ lab.Program, r lab.Route) float64 {
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
	c := contend(b, lab.LocalRoute, lab.Echo)
	c.compare(b, "B/conn", func(p lab.Program, r lab.Route) float64 {
		before := resident(b, c.children[p].Pid())
		for _, conn := range openMany(b, r, manyOpen) {
			defer conn.Close()
		}
		return float64(resident(b, c.children[p].Pid())-before) / manyOpen
	})
}
