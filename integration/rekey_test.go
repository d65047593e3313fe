package integration

import (
	"fmt"
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
			server := startSSHD(t, c.server, "LogLevel DEBUG1")
			l := labOf(t, server, c.client)
			l.relay.setDelay(5 * time.Millisecond)
			big, small := localRoute(t, startTarget(t, transfers).address()), localRoute(t, startTarget(t, echo).address())
			p := l.open(tunneld, []route{big, small}, "-o", "TunneldEcho=off")
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
			summarize(t, failures)
			if lost := p.matching(isLost); len(lost) > 0 {
				t.Errorf("a connection was lost: %s", lost[0].text)
			}
			if n := strings.Count(server.log(), "SSH2_MSG_KEXINIT sent"); (n > 5) != c.renews {
				t.Errorf("the server began or answered %d key exchanges", n)
			}
		})
	}
}

// oneLoad is one step of load number i: two of twelve download, two upload, the others open, exchange a line, and close.
func oneLoad(i, n int, big, small route) error {
	if i >= 4 {
		return small.works(patience)
	}
	conn, err := big.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	direction := byte(download)
	if i%2 == 1 {
		direction = upload
	}
	return transfer(conn, direction, uint64(100*i+n), 4<<20)
}
