package bench

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

const four = 4

// Four streams to a server that is far away, and then with one connection that stalls again and again.
func BenchmarkFourStreamsFarAway(b *testing.B) { fourStreamsFarAway(b) }

func fourStreamsFarAway(t testing.TB) {
	h := newHouse(t)
	h.Relay.SetDelay(much.roundTrip / 2)
	target := lab.StartTarget(t, bulk).Address()
	ours := h.tunneld(lab.Alias, lab.LocalRoute(t, target), "-o", fmt.Sprint("TunneldConnections=", four))
	lab.Eventually(t, lab.Patience, "four connections", func() bool { return h.Relay.OpenLinks() == four })
	mine := h.Relay.Some()
	theirs := h.ssh(lab.Alias, lab.LocalRoute(t, target))
	all := h.Relay.Some()
	other := all[slices.IndexFunc(all, func(l *lab.RelayLink) bool { return !slices.Contains(mine, l) })]
	run(t, "smooth", func(t testing.TB) {
		down := func(p peer) func() []float64 {
			return func() []float64 { return p.hauls(lab.Download, four, much.far) }
		}
		turns(t, "ssh", []column{{"four streams over a round trip of 100 ms, TunneldConnections 4", "MiB/s", "≥ 1.0"}}, down(ours), down(theirs))
	})
	run(t, "stalls", func(t testing.TB) {
		turns(t, "ssh", []column{{"the same, one connection stalls again and again", "MiB/s", "≥ 3"}},
			func() []float64 { return ours.stalling(mine[0]) }, func() []float64 { return theirs.stalling(other) })
	})
}

// stalling has a link stall, and then go on for a third of the time, again and again. It returns how much four streams bring
// meanwhile, which have begun before.
func (p peer) stalling(l *lab.RelayLink) []float64 {
	p.Helper()
	var brought atomic.Int64
	var reading sync.WaitGroup
	for range four {
		conn, err := p.pour()
		if err != nil {
			p.Error(err)
			return []float64{0}
		}
		reading.Go(func() { io.CopyBuffer(counting{&brought}, struct{ io.Reader }{conn}, make([]byte, chunkSize)) })
		defer conn.Close()
	}
	lab.Eventually(p.TB, lab.Patience, "the streams flow", func() bool { return brought.Load() > much.far/16 })
	before, began := brought.Load(), time.Now()
	for range much.stalls {
		release := l.Hold()
		<-time.After(3 * much.stall)
		release()
		<-time.After(much.stall)
	}
	return []float64{float64(brought.Load()-before) / time.Since(began).Seconds() / (1 << 20)}
}

// pour opens a connection that brings bytes for as long as it is open.
func (p peer) pour() (net.Conn, error) {
	conn, err := p.Dial()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "%c%8x", lab.Download, 1<<31)
	return conn, err
}

// counting counts what is written.
type counting struct{ bytes *atomic.Int64 }

func (c counting) Write(b []byte) (int, error) {
	c.bytes.Add(int64(len(b)))
	return len(b), nil
}

// A connection is cut, 100 ms away: how long until bytes go through again, beside an ssh that somebody starts at that moment.
func BenchmarkBackAfterACut(b *testing.B) { backAfterACut(b) }

func backAfterACut(t testing.TB) {
	h := newHouse(t)
	h.Relay.SetDelay(much.roundTrip / 2)
	target := lab.StartTarget(t, lab.Echo).Address()
	ours, route := h.tunneld(lab.Alias, lab.LocalRoute(t, target)), lab.LocalRoute(t, target)
	until := func(r lab.Route) []float64 {
		began := time.Now()
		lab.Eventually(t, lab.Patience, "bytes through "+r.Address, func() bool { return r.Works(lab.Patience) == nil })
		return []float64{float64(time.Since(began).Milliseconds())}
	}
	turns(t, "a fresh ssh", []column{{"back after a cut, at a round trip of 100 ms", "ms", "≤ 0.7"}}, func() []float64 {
		processes(ours).settle()
		h.Relay.Cut()
		return until(ours.Route)
	}, func() []float64 {
		c := h.Account.Run(lab.OpenSSH, h.Words("ssh", "-N", lab.Alias, "-F", h.Account.Path("config"), route.Flags))
		defer c.Kill()
		return until(route)
	})
}
