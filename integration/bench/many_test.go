package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// aliases lead to the server, each with a forward of its own.
type aliases struct {
	*house
	names []string
	ways  []lab.Route
}

func (h *house) aliases(prefix string, count int) *aliases {
	h.TB.Helper()
	target := lab.StartTarget(h.TB, lab.Echo).Address()
	a, first := &aliases{house: h}, lab.FreePorts(h.TB, count)
	for i := range count {
		name, address := fmt.Sprint(prefix, i), lab.Loopback(first+i)
		h.Account.Host(name, h.Server.Port, fmt.Sprintf("LocalForward %s %s", address, target), "ServerAliveInterval 15")
		a.names = append(a.names, name)
		a.ways = append(a.ways, lab.Route{Name: name, Network: "tcp", Address: address, Agree: lab.Nothing})
	}
	return a
}

// ours is one tunneld for all of them.
func (a *aliases) ours(count int, words ...string) peer {
	a.TB.Helper()
	c := a.Account.Run(lab.Tunneld, a.Words(a.Account.PlainBinary(), "up", a.names[:count], "-F", a.Account.Path("config"), words))
	return peer{a.TB, c, lab.Route{}}
}

// theirs is a program for each of them.
func (a *aliases) theirs(words ...string) (all []peer) {
	a.TB.Helper()
	for _, name := range a.names {
		c := a.Account.Run(lab.OpenSSH, a.Words(words, "-F", a.Account.Path("config"), name))
		all = append(all, peer{a.TB, c, lab.Route{}})
	}
	return all
}

// carrying waits until the first so many of the forwards carry, and returns how long that has been since then, in seconds.
func (a *aliases) carrying(count int, since time.Time) float64 {
	a.TB.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*lab.Patience)
	defer cancel()
	var all sync.WaitGroup
	for _, r := range a.ways[:count] {
		all.Go(func() {
			tick := time.NewTicker(250 * time.Millisecond)
			defer tick.Stop()
			for r.Works(lab.Patience) != nil && ctx.Err() == nil {
				<-tick.C
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		a.TB.Fatal("not all of them carry")
	}
	return time.Since(since).Seconds()
}

// Many tunnels in one process, and all of them after the server was away.
func BenchmarkManyTunnels(b *testing.B) { manyTunnels(b) }

func manyTunnels(t testing.TB) {
	h := newHouse(t)
	mine, others := h.aliases("mine", much.tunnels), h.aliases("other", much.tunnels)
	turns(t, fmt.Sprint(much.tunnels, " ssh"), []column{
		{fmt.Sprint(much.tunnels, " tunnels up"), "s", "≤ 0.3"},
		{fmt.Sprint(much.tunnels, " tunnels back after a restart of the server"), "s", "≤ 0.3"},
	}, func() []float64 {
		began := time.Now()
		defer stop(mine.ours(much.tunnels))
		up := mine.carrying(much.tunnels, began)
		h.Server.Kill()
		h.Server.Start()
		return []float64{up, mine.carrying(much.tunnels, time.Now())}
	}, func() []float64 {
		start := func() float64 {
			began := time.Now()
			defer stop(others.theirs("ssh", "-N")...)
			return others.carrying(much.tunnels, began)
		}
		return []float64{start(), start()}
	})
}

func BenchmarkMemory(b *testing.B) { memory(b) }

func memory(t testing.TB) {
	h := newHouse(t)
	mine, others := h.aliases("mine", 1+much.more), h.aliases("other", 1)
	private := func(count int) float64 {
		p := mine.ours(count)
		defer stop(p)
		mine.carrying(count, time.Now())
		own := processes(p).settle()
		<-time.After(2 * much.settle) // when all has been quiet for a while memory is given back
		return own.private() / 1e6
	}
	turns(t, "autossh + ssh", []column{{"private memory of the first tunnel", "MB", "≤ 8 MB"}, {"of one more", "MB", "≤ 0.06"}}, func() []float64 {
		first := private(1)
		return []float64{first, (private(1+much.more) - first) / float64(much.more)}
	}, func() []float64 {
		all := others.theirs("autossh", "-M", "0", "-N")
		defer stop(all...)
		others.carrying(1, time.Now())
		each := processes(all...).settle().private() / 1e6
		return []float64{each, each}
	})
}

// Tunnels that nobody uses.
func BenchmarkIdle(b *testing.B) { idle(b) }

func idle(t testing.TB) {
	h := newHouse(t)
	mine, others := h.aliases("mine", much.idle), h.aliases("other", much.idle)
	watch := func(peers ...peer) []float64 {
		all := processes(peers...).settle()
		wakeUps, ran := all.wakeUps(), all.ran() // cpu counts in hundredths of a second, and rounds each process down
		<-time.After(much.span)
		return []float64{all.wakeUps() - wakeUps, (all.ran() - ran) / 1e9}
	}
	turns(t, fmt.Sprint(much.idle, " autossh + ssh"), []column{
		{fmt.Sprintf("wake-ups of %d idle tunnels in %v", much.idle, much.span), "", "≤ 1.0"}, {"their CPU time", "s", "≤ 1.0"},
	}, func() []float64 {
		p := mine.ours(much.idle)
		defer stop(p)
		mine.carrying(much.idle, time.Now())
		return watch(p)
	}, func() []float64 {
		all := others.theirs("autossh", "-M", "0", "-N")
		defer stop(all...)
		others.carrying(much.idle, time.Now())
		return watch(all...)
	})
}
