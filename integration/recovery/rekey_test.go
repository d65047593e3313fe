package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"strings"
	"sync"
	"testing"
	"time"
)

// Keys are renewed under load, both ways and with connections that come and go, without anything standing still. With
// RekeyLimit of ours it was: the SSH library stops for good when it begins a key exchange itself. Where the server begins,
// as the second case has it, all goes on.
func TestKeyExchangesUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name, client, server string
		renews               bool
	}{
		{"RekeyLimit of ours", "RekeyLimit 1M", "", false},
		{"RekeyLimit of the server", "", "RekeyLimit 1M", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := lab.StartSSHD(t, c.server, "LogLevel DEBUG1")
			l := lab.LabOf(t, server, c.client)
			l.Relay.SetDelay(5 * time.Millisecond)
			big, small := lab.LocalRoute(t, lab.StartTarget(t, lab.Transfers).Address()), lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			p := l.Open(lab.Tunneld, []lab.Route{big, small}, "-o", "TunneldEcho=off")
			var load sync.WaitGroup
			failures := make(chan error, 100)
			until := time.Now().Add(5 * time.Second)
			for i := range 12 {
				load.Go(func() {
					for n := 0; time.Now().Before(until); n++ {
						if err := oneLoad(i, n, big, small); err != nil {
							failures <- fmt.Errorf("%d: %w", i, err)
							return
						}
					}
				})
			}
			load.Wait()
			close(failures)
			lab.Summarize(t, failures)
			if lost := p.Matching(lab.IsLost); len(lost) > 0 {
				t.Errorf("a connection was lost: %s", lost[0].Text)
			}
			if n := strings.Count(server.Log(), "SSH2_MSG_KEXINIT sent"); (n > 5) != c.renews {
				t.Errorf("the server began or answered %d key exchanges", n)
			}
		})
	}
}

// oneLoad is one step of load number i: two of twelve download, two upload, the others open, exchange a line, and close.
func oneLoad(i, n int, big, small lab.Route) error {
	if i >= 4 {
		return small.Works(lab.Patience)
	}
	conn, err := big.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(lab.Patience))
	direction := byte(lab.Download)
	if i%2 == 1 {
		direction = lab.Upload
	}
	return lab.Transfer(conn, direction, uint64(100*i+n), 4<<20)
}
