package integration

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// The first connections to a remote port come while the server's answer to our request is still on its way. None of
// them may be refused (golang/go#64094: with client.Listen nearly all of them are).
func TestFirstConnectionsThroughARemotePortAreServed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := remoteRoute(t, startTarget(t, echo).address())
	l.open(tunneld, []route{r}, hasty...)
	for round := range 20 {
		l.relay.shut() // nobody may connect until the old port is gone
		l.relay.cut()
		eventually(t, patience, "the remote port is closed", func() bool {
			conn, err := net.Dial(r.network, r.address)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		l.relay.open()
		conn, err := hammer(r.address, patience)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := exchange(conn, fmt.Sprint("first of round ", round), patience); err != nil {
			t.Errorf("round %d: the first connection: %v", round, err)
		}
		conn.Close()
	}
}

// hammer connects as often as it can until it is let in.
func hammer(address string, limit time.Duration) (net.Conn, error) {
	for deadline := time.Now().Add(limit); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
	}
}
