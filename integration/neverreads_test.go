package integration

import (
	"testing"
	"time"
)

// What a server may cost, whatever it does.
const (
	mostMemory = 160 << 20 // bytes resident
	mostLog    = 4 << 20   // bytes
)

// A server that opens one channel after the other and reads none of the refusals cost a goroutine for each: 1.4 GB in 40 s.
func TestServerThatOpensAndNeverReads(t *testing.T) {
	t.Parallel()
	server := startRawServer(t, func(c *rawConn) {
		for number := uint32(0); ; number++ {
			if c.send(msgChannelOpen, "session", number, uint32(1<<20), uint32(32<<10)) != nil {
				return
			}
		}
	})
	a := newAccount(t)
	a.trust(server.address(), server.hostKey)
	a.host(alias, server.port(), "TunneldEcho off", "TunneldBackoffMax 1")
	r := localRoute(t, "127.0.0.1:1")
	l := &lab{t: t, account: a, plain: true}
	p := l.start(tunneld, r.flags...)
	waitUp(t, p, 0)
	most := 0
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); <-time.After(50 * time.Millisecond) {
		most = max(most, statusValue(t, p.pid(), "VmRSS")<<10)
	}
	t.Logf("at most %d MiB", most>>20)
	if most > mostMemory {
		t.Errorf("%d MiB, want at most %d", most>>20, mostMemory>>20)
	}
	if log := len(p.output()); log > mostLog {
		t.Errorf("%d bytes of log, want at most %d", log, mostLog)
	}
	waitLost(t, p, 0, patience)
}
