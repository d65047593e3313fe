package hostile

import (
	"github.com/tunneld/tunneld/integration/lab"
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
	server := lab.StartRawServer(t, func(c *lab.RawConn) {
		for number := uint32(0); ; number++ {
			if c.Send(lab.MsgChannelOpen, "session", number, uint32(1<<20), uint32(32<<10)) != nil {
				return
			}
		}
	})
	a := lab.NewAccount(t)
	a.Trust(server.Address(), server.HostKey)
	a.Host(lab.Alias, server.Port(), "TunneldEcho off", "TunneldBackoffMax 1")
	r := lab.LocalRoute(t, "127.0.0.1:1")
	l := &lab.Lab{T: t, Account: a, Plain: true}
	p := l.Start(lab.Tunneld, r.Flags...)
	lab.WaitUp(t, p, 0)
	most := 0
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); <-time.After(50 * time.Millisecond) {
		most = max(most, lab.StatusValue(t, p.Pid(), "VmRSS")<<10)
	}
	t.Logf("at most %d MiB", most>>20)
	if most > mostMemory {
		t.Errorf("%d MiB, want at most %d", most>>20, mostMemory>>20)
	}
	if log := len(p.Output()); log > mostLog {
		t.Errorf("%d bytes of log, want at most %d", log, mostLog)
	}
	lab.WaitLost(t, p, 0, lab.Patience)
}
