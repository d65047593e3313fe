package monitor

import (
	"maps"
	"time"
)

// The probes, as logs and metrics name them.
const (
	keepaliveProbe = "keepalive"
	echoProbe      = "echo"
)

// outcome is how an attempt ended.
type outcome struct {
	result string // ok or error
	phase  string // that failed; empty: none
}

// counters is what has happened since the tunnel began. It only grows. Monitor.mu guards it.
type counters struct {
	connects     map[outcome]uint64
	reconnects   uint64        // sessions made after one was lost
	replacements uint64        // sessions made beside one that was then retired
	sessionTime  time.Duration // of the sessions that have ended
	outage       time.Duration // of the outages that have ended
	bytesIn      uint64        // on the wire of the sessions that have ended
	bytesOut     uint64
	probes       map[string]*probeCount
}

// probeCount is what became of a kind of probe.
type probeCount struct {
	buckets [len(rttBounds) + 1]uint64 // answers up to each bound, each counted once; the last has no bound
	sum     time.Duration              // of the round trips
	missed  uint64
}

// rttBounds are the upper bounds of the round trip histogram: from a machine next door to a satellite in trouble.
var rttBounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

func newCounters() counters {
	return counters{
		connects: map[outcome]uint64{{result: "ok"}: 0},
		probes:   map[string]*probeCount{keepaliveProbe: {}, echoProbe: {}},
	}
}

func (p *probeCount) observe(rtt time.Duration) {
	p.sum += rtt
	for i, bound := range rttBounds {
		if rtt <= bound {
			p.buckets[i]++
			return
		}
	}
	p.buckets[len(rttBounds)]++
}

// clone returns a copy that nobody changes.
func (c *counters) clone() counters {
	copied := *c
	copied.connects = maps.Clone(c.connects)
	copied.probes = make(map[string]*probeCount, len(c.probes))
	for kind, count := range c.probes {
		own := *count
		copied.probes[kind] = &own
	}
	return copied
}
