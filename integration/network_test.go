package integration

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// What happens to cables happens to this one. That the link is down is known at once; that packets vanish has to be
// found out.
func TestComesBackAfterTheNetworkWasGone(t *testing.T) {
	outages := map[string]struct{ gone, back func(*network) }{
		"link down": {
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "down") },
			func(n *network) { n.in(n.client, "ip", "link", "set", n.link, "up") },
		},
		"far end down": {
			func(n *network) { n.in(n.server, "ip", "link", "set", n.link, "down") },
			func(n *network) { n.in(n.server, "ip", "link", "set", n.link, "up") },
		},
		"address gone": {
			func(n *network) { n.in(n.client, "ip", "address", "del", n.own+"/24", "dev", n.link) },
			func(n *network) { n.in(n.client, "ip", "address", "add", n.own+"/24", "dev", n.link) },
		},
		"packets dropped": {(*network).drop, (*network).pass},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t)
			server := n.startSSHD()
			a := newAccount(t)
			server.authorize(a.key)
			a.trust(net.JoinHostPort(n.address, fmt.Sprint(server.port)), server.hostKey)
			a.host(alias, server.port, "HostName "+n.address, "ServerAliveInterval 1", "ServerAliveCountMax 3", "ConnectTimeout 2")
			l := &lab{t: t, account: a, prefix: []string{"ip", "netns", "exec", n.client}}
			r := localRoute(t, startTargetOn(t, n.listen(), echo).address())
			c := l.start(tunneld, append(r.flags, hasty...)...)
			waitUp(t, c, 0)
			works := func() error {
				conn, err := n.dial(r.address)
				if err != nil {
					return err
				}
				defer conn.Close()
				return exchange(conn, name, patience)
			}
			check(t, works())
			from, gone := c.mark(), time.Now()
			outage.gone(n)
			noticed := waitLost(t, c, from, patience)
			if took := noticed.at.Sub(gone); took > 4*time.Second {
				t.Errorf("noticed after %v, want at most 4 s", took)
			}
			outage.back(n)
			check(t, works())
		})
	}
}
