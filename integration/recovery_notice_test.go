package integration

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A network that changes, and nothing else, leads to a look at the server: neither keepalives nor the kernel would tell
// that this connection is dead.
func TestNetworkChangesAreLookedInto(t *testing.T) {
	for name, change := range map[string][]string{
		"address": {"address", "add", "10.98.0.1/32", "dev", "cable"},
		"route":   {"route", "add", "10.97.0.0/24", "dev", "cable"},
		"link":    {"link", "add", "another", "type", "veth", "peer", "name", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, l := networkLab(t, "ServerAliveInterval 0", "TunneldEcho off")
			n.settle()
			r := localRoute(t, startTargetOn(t, n.listen(), echo).address())
			c := l.start(tunneld, r.flags...)
			waitUp(t, c, 0)
			n.forget(l.server)
			from := c.mark()
			never(t, time.Second, "the death is noticed without a change", func() bool { return len(c.matching(isLost)) > 0 })
			n.in(n.client, append([]string{"ip"}, change...)...)
			changed := time.Now()
			kicked := c.waitLine(t, from, patience, "probing", said("probing now"))
			if why := kicked.field("why"); why != "network changed" {
				t.Errorf("probing because %q", why)
			}
			waitUp(t, c, from)
			if took := time.Since(changed); took > 3*time.Second {
				t.Errorf("up again %v after the change", took)
			}
		})
	}
}

// Each of these cuts a long wait short.
func TestWaitsAreCutShort(t *testing.T) {
	for name, kick := range map[string]struct {
		network bool
		do      func(n *network, l *lab, c *child)
	}{
		"network change": {true, func(n *network, _ *lab, _ *child) {
			n.in(n.client, "ip", "route", "add", "10.97.0.0/24", "dev", n.link)
		}},
		"USR1":              {false, func(_ *network, _ *lab, c *child) { c.signal(syscall.SIGUSR1) }},
		"tunneld reconnect": {false, func(_ *network, l *lab, _ *child) { l.account.tunneld("reconnect", alias).waitExit(l.t, patience) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n *network
			l := (*lab)(nil)
			if kick.network {
				n, l = networkLab(t)
			} else {
				l = newLab(t)
			}
			l.server.kill()
			c := l.start(tunneld, localRoute(t, loopback(freePort(t))).flags...)
			c.waitLine(t, 0, 2*patience, "a long wait", func(l line) bool { return isFailed(l) && waitIn(l) > 4*time.Second })
			l.server.start()
			from, kicked := c.mark(), time.Now()
			kick.do(n, l, c)
			waitUp(t, c, from)
			if took := time.Since(kicked); took > 3*time.Second {
				t.Errorf("up %v after the kick", took)
			}
		})
	}
}

// waitIn gives what a log line says of the wait before the next attempt.
func waitIn(l line) time.Duration {
	wait, _ := strconv.ParseFloat(l.field("retry_in"), 64)
	return time.Duration(wait)
}

// A data path that carries nothing while the server answers keepalives is called that, and a new connection is made.
func TestBrokenDataPathIsToldFromALostConnection(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	service := startTarget(t, func(c *net.TCPConn) {
		if broken.Load() {
			readToEnd(c, patience) // takes what comes, and gives nothing back
			return
		}
		echo(c)
	})
	_, port, _ := net.SplitHostPort(service.address())
	l := newLab(t, "ServerAliveInterval 1", "TunneldEcho service:"+port, "TunneldEchoInterval 1")
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	c.waitLine(t, 0, patience, "an echo", func(l line) bool { return l.field("msg") == "probe answered" && l.field("probe") == "echo" })
	from := c.mark()
	broken.Store(true)
	suspect := c.waitLine(t, from, patience, "suspect", func(l line) bool { return l.field("state") == "suspect" })
	if why := suspect.field("why"); !strings.Contains(why, "data path") || !strings.Contains(why, "keepalives are answered") {
		t.Errorf("suspect because %q", why)
	}
	replaced := c.waitLine(t, from, patience, "replaced", said("replaced"))
	if why := replaced.field("why"); !strings.Contains(why, "data path") {
		t.Errorf("replaced because %q", why)
	}
	check(t, r.works(patience))
	if lost := c.matching(isLost); len(lost) > 0 {
		t.Errorf("said to be lost: %s", lost[0].text)
	}
}

// networkLab is a lab with the server at the other end of a cable. The lines are of ssh_config(5), for the alias.
func networkLab(t *testing.T, lines ...string) (*network, *lab) {
	t.Helper()
	n := newNetwork(t)
	server := n.startSSHD()
	a := newAccount(t)
	server.authorize(a.key)
	a.trust(net.JoinHostPort(n.address, fmt.Sprint(server.port)), server.hostKey)
	a.host(alias, server.port, append(lines, "HostName "+n.address, "ConnectTimeout 2")...)
	return n, &lab{t: t, server: server, account: a, prefix: []string{"ip", "netns", "exec", n.client}}
}
