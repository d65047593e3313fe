package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"testing"
	"time"
)

// A cable that was out for a few seconds costs nobody his transfer: TCP sends again what was lost, and a connection that is
// merely late is not given up for a newer one.
func TestTransfersRideOutAShortOutage(t *testing.T) {
	for name, outage := range map[string]struct{ begin, end func(*lab.Network) }{
		"link down": {
			func(n *lab.Network) { n.In(n.Client, "ip", "link", "set", n.Link, "down") },
			func(n *lab.Network) { n.In(n.Client, "ip", "link", "set", n.Link, "up") },
		},
		"packets dropped": {(*lab.Network).Drop, (*lab.Network).Pass},
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
			r := lab.LocalRoute(t, lab.StartTargetOn(t, n.Listen(), source).Address())
			c := l.Start(lab.Tunneld, r.Flags...)
			lab.WaitUp(t, c, 0)
			conn, err := n.Dial(r.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			ended := make(chan error, 1)
			go func() { ended <- lab.ReadToEnd(conn, 2*lab.Patience) }()
			outage.begin(n)
			lab.Never(t, 8*time.Second, "the connection is given up", func() bool { return len(c.Matching(lab.IsLost)) > 0 })
			outage.end(n)
			select {
			case err := <-ended:
				lab.Check(t, err)
			case <-time.After(2 * lab.Patience):
				t.Error("the transfer has not ended")
			}
			if lost := c.Matching(lab.IsLost); len(lost) > 0 {
				t.Errorf("given up: %s", lost[0].Text)
			}
		})
	}
}

// Another address: the connection from the old one cannot come back, and nobody waits for it.
func TestAddressChangeIsNotWaitedOut(t *testing.T) {
	t.Parallel()
	n, l := networkLab(t)
	r := lab.LocalRoute(t, lab.StartTargetOn(t, n.Listen(), lab.Echo).Address())
	c := l.Start(lab.Tunneld, r.Flags...)
	lab.WaitUp(t, c, 0)
	conn, err := n.Dial(r.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lab.Check(t, lab.Exchange(conn, "from the old address", lab.Patience))
	from, changed := c.Mark(), time.Now()
	n.In(n.Client, "ip", "address", "del", n.Own+"/24", "dev", n.Link)
	n.In(n.Client, "ip", "address", "add", n.Own+"2/24", "dev", n.Link)
	lab.WaitUp(t, c, from)
	if took := time.Since(changed); took > 10*time.Second {
		t.Errorf("up again %v after the change", took)
	}
	lab.ExpectReset(t, "the client", lab.ReadToEnd(conn, lab.Patience))
	n.WaitServed(c, r)
}
