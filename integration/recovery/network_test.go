package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"testing"
	"time"
)

// What happens to cables happens to this one. That the link is down is known at once; that packets vanish has to be
// found out.
func TestComesBackAfterTheNetworkWasGone(t *testing.T) {
	outages := map[string]struct{ gone, back func(*lab.Network) }{
		"link down": {
			func(n *lab.Network) { n.In(n.Client, "ip", "link", "set", n.Link, "down") },
			func(n *lab.Network) { n.In(n.Client, "ip", "link", "set", n.Link, "up") },
		},
		"far end down": {
			func(n *lab.Network) { n.In(n.Server, "ip", "link", "set", n.Link, "down") },
			func(n *lab.Network) { n.In(n.Server, "ip", "link", "set", n.Link, "up") },
		},
		"address gone": {
			func(n *lab.Network) { n.In(n.Client, "ip", "address", "del", n.Own+"/24", "dev", n.Link) },
			func(n *lab.Network) { n.In(n.Client, "ip", "address", "add", n.Own+"/24", "dev", n.Link) },
		},
		"packets dropped": {(*lab.Network).Drop, (*lab.Network).Pass},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := lab.NewNetwork(t)
			server := n.StartSSHD()
			a := lab.NewAccount(t)
			server.Authorize(a.Key)
			a.Trust(net.JoinHostPort(n.Address, fmt.Sprint(server.Port)), server.HostKey)
			a.Host(lab.Alias, server.Port, "HostName "+n.Address, "ServerAliveInterval 1", "ServerAliveCountMax 3", "ConnectTimeout 2")
			l := &lab.Lab{T: t, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}}
			r := lab.LocalRoute(t, lab.StartTargetOn(t, n.Listen(), lab.Echo).Address())
			c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
			lab.WaitUp(t, c, 0)
			works := func() error {
				conn, err := n.Dial(r.Address)
				if err != nil {
					return err
				}
				defer conn.Close()
				return lab.Exchange(conn, name, lab.Patience)
			}
			lab.Check(t, works())
			from, gone := c.Mark(), time.Now()
			outage.gone(n)
			noticed := lab.WaitLost(t, c, from, lab.Patience)
			if took := noticed.At.Sub(gone); took > 10*time.Second { // three keepalives, and what a busy machine adds
				t.Errorf("noticed after %v", took)
			}
			outage.back(n)
			lab.Check(t, works())
		})
	}
}
