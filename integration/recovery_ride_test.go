package integration

import (
	"net"
	"testing"
	"time"
)

// A cable that was out for a few seconds costs nobody his transfer: TCP sends again what was lost, and a connection that is
// merely late is not given up for a newer one.
func TestTransfersRideOutAShortOutage(t *testing.T) {
	for name, outage := range map[string]struct{ begin, end func(*network) }{
		"link down": {
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "down") },
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "up") },
		},
		"packets dropped": {(*network).drop, (*network).pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, l := networkLab(t)
			source := func(c *net.TCPConn) {
				for range 20 {
					if _, err := c.Write(make([]byte, 1000)); err != nil {
						return
					}
					<-time.After(500 * time.Millisecond)
				}
			}
			r := localRoute(t, startTargetOn(t, n.listen(), source).address())
			c := l.start(tunneld, r.flags...)
			waitUp(t, c, 0)
			conn, err := n.dial(r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ended := make(chan error, 1)
			go func() { ended <- readToEnd(conn, 2*patience) }()
			outage.begin(n)
			never(t, 8*time.Second, "the connection is given up", func() bool { return len(c.matching(isLost)) > 0 })
			outage.end(n)
			select {
			case err := <-ended:
				check(t, err)
			case <-time.After(2 * patience):
				t.Error("the transfer has not ended")
			}
			if lost := c.matching(isLost); len(lost) > 0 {
				t.Errorf("given up: %s", lost[0].text)
			}
		})
	}
}

// Another address: the connection from the old one can not come back, and nobody waits for it.
func TestAddressChangeIsNotWaitedOut(t *testing.T) {
	t.Parallel()
	n, l := networkLab(t)
	r := localRoute(t, startTargetOn(t, n.listen(), echo).address())
	c := l.start(tunneld, r.flags...)
	waitUp(t, c, 0)
	conn, err := n.dial(r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	check(t, exchange(conn, "from the old address", patience))
	from, changed := c.mark(), time.Now()
	n.in(n.client, "ip", "address", "del", n.own+"/24", "dev", n.link)
	n.in(n.client, "ip", "address", "add", n.own+"2/24", "dev", n.link)
	waitUp(t, c, from)
	if took := time.Since(changed); took > 3*time.Second {
		t.Errorf("up again %v after the change", took)
	}
	expectReset(t, "the client", readToEnd(conn, patience))
	n.waitServed(c, r)
}
