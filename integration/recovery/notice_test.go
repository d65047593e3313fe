package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
			n.Settle()
			r := lab.LocalRoute(t, lab.StartTargetOn(t, n.Listen(), lab.Echo).Address())
			c := l.Start(lab.Tunneld, r.Flags...)
			lab.WaitUp(t, c, 0)
			n.Forget(l.Server)
			from := c.Mark()
			lab.Never(t, time.Second, "the death is noticed without a change", func() bool { return len(c.Matching(lab.IsLost)) > 0 })
			n.In(n.Client, append([]string{"ip"}, change...)...)
			changed := time.Now()
			nudged := c.WaitLine(t, from, lab.Patience, "probing", lab.Said("probing now"))
			if why := nudged.Field("why"); why != "network changed" {
				t.Errorf("probing because %q", why)
			}
			lab.WaitUp(t, c, from)
			if took := time.Since(changed); took > 10*time.Second {
				t.Errorf("up again %v after the change", took)
			}
		})
	}
}

// Each of these cuts a long wait short.
func TestWaitsAreCutShort(t *testing.T) {
	for name, nudge := range map[string]struct {
		network bool
		do      func(n *lab.Network, l *lab.Lab, c *lab.Child)
	}{
		"network change": {true, func(n *lab.Network, _ *lab.Lab, _ *lab.Child) {
			n.In(n.Client, "ip", "route", "add", "10.97.0.0/24", "dev", n.Link)
		}},
		"USR1": {false, func(_ *lab.Network, _ *lab.Lab, c *lab.Child) { c.Signal(syscall.SIGUSR1) }},
		"tunneld reconnect": {false, func(_ *lab.Network, l *lab.Lab, _ *lab.Child) {
			l.Account.Tunneld("reconnect", lab.Alias).WaitExit(l.T, lab.Patience)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n *lab.Network
			var l *lab.Lab
			if nudge.network {
				n, l = networkLab(t)
			} else {
				l = lab.New(t)
			}
			l.Server.Kill()
			c := l.Start(lab.Tunneld, lab.LocalRoute(t, lab.Loopback(lab.FreePort(t))).Flags...)
			c.WaitLine(t, 0, 2*lab.Patience, "a long wait", func(l lab.Line) bool { return lab.IsFailed(l) && waitIn(l) > 4*time.Second })
			l.Server.Start()
			from, nudged := c.Mark(), time.Now()
			nudge.do(n, l, c)
			lab.WaitUp(t, c, from)
			if took := time.Since(nudged); took > 10*time.Second {
				t.Errorf("up %v after the nudge", took)
			}
		})
	}
}

// waitIn returns what a log line says of the wait before the next attempt.
func waitIn(l lab.Line) time.Duration {
	wait, _ := strconv.ParseFloat(l.Field("retry_in_seconds"), 64)
	return time.Duration(wait * float64(time.Second))
}

// A data path that carries nothing while the server answers keepalives is called that, and a new connection is made.
func TestBrokenDataPathIsToldFromALostConnection(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	service := lab.StartTarget(t, func(c *net.TCPConn) {
		if broken.Load() {
			lab.ReadToEnd(c, lab.Patience) // takes what comes, and gives nothing back
			return
		}
		lab.Echo(c)
	})
	_, port, _ := net.SplitHostPort(service.Address())
	l := lab.New(t, "ServerAliveInterval 1", "TunneldEcho service:"+port, "TunneldEchoInterval 1")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	c.WaitLine(t, 0, lab.Patience, "an echo", func(l lab.Line) bool { return l.Field("msg") == "probe answered" && l.Field("probe") == "echo" })
	from := c.Mark()
	broken.Store(true)
	suspect := c.WaitLine(t, from, lab.Patience, "suspect", func(l lab.Line) bool { return l.Field("state") == "suspect" })
	if why := suspect.Field("why"); !strings.Contains(why, "data path") || !strings.Contains(why, "keepalives are answered") {
		t.Errorf("suspect because %q", why)
	}
	replaced := c.WaitLine(t, from, lab.Patience, "replaced", lab.Said("replaced"))
	if why := replaced.Field("why"); !strings.Contains(why, "data path") {
		t.Errorf("replaced because %q", why)
	}
	lab.Check(t, r.Works(lab.Patience))
	if lost := c.Matching(lab.IsLost); len(lost) > 0 {
		t.Errorf("said to be lost: %s", lost[0].Text)
	}
}

// networkLab is a lab with the server at the other end of a cable. The lines are of ssh_config(5), for the alias.
func networkLab(t *testing.T, lines ...string) (*lab.Network, *lab.Lab) {
	t.Helper()
	n := lab.NewNetwork(t)
	server := n.StartSSHD()
	a := lab.NewAccount(t)
	server.Authorize(a.Key)
	a.Trust(net.JoinHostPort(n.Address, fmt.Sprint(server.Port)), server.HostKey)
	a.Host(lab.Alias, server.Port, append(lines, "HostName "+n.Address, "ConnectTimeout 2")...)
	return n, &lab.Lab{T: t, Server: server, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}}
}
