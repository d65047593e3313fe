package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"testing"
	"time"
)

// The first connections to a remote port come while the server's answer to our request is still on its way. None of
// them may be refused (golang/go#64094: with client.Listen nearly all of them are).
func TestFirstConnectionsThroughARemotePortAreServed(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.RemoteRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	for round := range 20 {
		l.Relay.Shut() // nobody may connect until the old port is gone
		l.Relay.Cut()
		lab.Eventually(t, lab.Patience, "the remote port is closed", func() bool {
			conn, err := net.Dial(r.Network, r.Address)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		l.Relay.Open()
		conn, err := hammer(r.Address, lab.Patience)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := lab.Exchange(conn, fmt.Sprint("first of round ", round), lab.Patience); err != nil {
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
