package recovery

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// crossroads is a lab with a second way to its server, which a command of Match exec chooses: a file is there or not, as a network
// is.
type crossroads struct {
	*lab.Lab
	other *lab.Relay
	flag  string
}

func atCrossroads(t *testing.T, lines ...string) crossroads {
	t.Helper()
	c := crossroads{Lab: lab.New(t)}
	c.other, c.flag = lab.StartRelay(t, c.Server.Address()), c.Account.Path("elsewhere")
	c.Account.Trust(c.other.Address(), c.Server.HostKey)
	c.other.Shut()
	c.configure(lines...)
	return c
}

func (c crossroads) configure(lines ...string) {
	c.T.Helper()
	lab.WriteFile(c.T, c.Account.Path("config"), fmt.Sprintf("Match originalhost %s exec \"test -e %s\"\n    Port %d\n", lab.Alias, c.flag, c.other.Port))
	c.Account.Host(lab.Alias, c.Relay.Port, lines...)
}

// move takes the machine to the other network: the old way is gone.
func (c crossroads) move(elsewhere bool) {
	c.T.Helper()
	gone, here := c.other, c.Relay
	if elsewhere {
		gone, here = here, gone
		lab.WriteFile(c.T, c.flag, "")
	} else if err := os.Remove(c.flag); err != nil {
		c.T.Fatal(err)
	}
	here.Open()
	gone.Shut()
	gone.Cut()
}

func (c crossroads) carries(r lab.Route, by *lab.Relay) {
	c.T.Helper()
	lab.Eventually(c.T, 2*lab.Patience, "carried by the way of this network", func() bool {
		return r.Works(lab.Patience) == nil && by.OpenLinks() > 0
	})
}

// A laptop moves between two networks, and Match exec says by which way the server is reached in each. ssh under autossh reads that
// at each start; tunneld resolved once, and tried the way of the first network for ever. A forward that the file has got meanwhile waits
// for a reload.
func TestFollowsMatchExecBetweenTwoNetworks(t *testing.T) {
	for name, start := range map[string]func(c crossroads, flags []string) *lab.Child{
		"up": func(c crossroads, flags []string) *lab.Child { return c.Start(lab.Tunneld, flags...) },
		"several connections": func(c crossroads, flags []string) *lab.Child {
			return c.Start(lab.Tunneld, append(flags, "-o", "TunneldConnections=3")...)
		},
		"autossh": func(c crossroads, flags []string) *lab.Child {
			return c.Account.Tunneld(append([]string{"autossh", "-M", "0", "-N", "-F", c.Account.Path("config"), lab.Alias}, flags...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := atCrossroads(t, "ConnectTimeout 5")
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			child := start(c, append(r.Flags, lab.Hasty...))
			c.carries(r, c.Relay)
			c.move(true)
			c.carries(r, c.other)
			fresh := lab.FreePort(t)
			c.configure("ConnectTimeout 5", fmt.Sprintf("DynamicForward %d", fresh))
			c.move(false)
			c.carries(r, c.Relay)
			if lab.Accepts(lab.Loopback(fresh)) {
				t.Error("a new forward of the file listens")
			}
			if !child.Running() {
				t.Error("it has ended")
			}
		})
	}
}

// The same with cables: an address says where the machine is.
func TestFollowsMatchLocalnetworkBetweenTwoNetworks(t *testing.T) {
	t.Parallel()
	n := lab.NewNetwork(t)
	there := strings.Replace(n.Address, "10.99.", "10.98.", 1)
	ownThere := strings.Replace(n.Own, "10.99.", "10.98.", 1)
	n.In(n.Server, "ip", "address", "add", there+"/24", "dev", n.Link)
	server := n.StartSSHD("ListenAddress " + there)
	a := lab.NewAccount(t)
	server.Authorize(a.Key)
	for _, address := range []string{n.Address, there} {
		a.Trust(net.JoinHostPort(address, fmt.Sprint(server.Port)), server.HostKey)
	}
	lab.WriteFile(t, a.Path("config"), fmt.Sprintf("Match originalhost %s localnetwork %s/24\n    HostName %s\n", lab.Alias, strings.TrimSuffix(there, "1")+"0", there))
	a.Host(lab.Alias, server.Port, "HostName "+n.Address, "ServerAliveInterval 2", "ConnectTimeout 60") // nobody waits that long
	l := &lab.Lab{T: t, Account: a, Prefix: []string{"ip", "netns", "exec", n.Client}}
	r := lab.LocalRoute(t, lab.StartTargetOn(t, n.ListenAt(n.Server, lab.Loopback(0)), lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	if up := lab.WaitUp(t, c, 0); !strings.HasPrefix(up.Field("host"), n.Address) {
		t.Fatalf("connected to %s at first", up.Field("host"))
	}
	for _, move := range []struct{ from, to, server string }{{n.Own, ownThere, there}, {ownThere, n.Own, n.Address}} {
		from := c.Mark()
		n.In(n.Client, "ip", "address", "del", move.from+"/24", "dev", n.Link)
		n.In(n.Client, "ip", "address", "add", move.to+"/24", "dev", n.Link)
		if up := lab.WaitUp(t, c, from); !strings.HasPrefix(up.Field("host"), move.server) {
			t.Errorf("with the address %s connected to %s, want %s", move.to, up.Field("host"), move.server)
		}
		n.WaitServed(c, r)
	}
}

// isKept tells what the log says of a configuration that cannot be used.
var isKept = lab.Said("the configuration cannot be used, connecting by the last good one")

// An edit counts from the next connection as far as it is about the way, forwards wait for a reload, and a file that is half
// written, broken or gone changes nothing.
func TestFollowsEditsOfTheFile(t *testing.T) {
	t.Parallel()
	c := atCrossroads(t)
	c.other.Open()
	a, target := c.Account, lab.StartTarget(t, lab.Echo).Address()
	r, later := lab.LocalRoute(t, target), lab.LocalRoute(t, target)
	child := c.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitUp(t, child, 0)
	again := func(by *lab.Relay) {
		t.Helper()
		from := child.Mark()
		for _, relay := range []*lab.Relay{c.Relay, c.other} {
			relay.Cut()
		}
		lab.WaitUp(t, child, from)
		c.carries(r, by)
	}
	good := lab.ReadFile(t, a.Path("config"))

	lab.WriteFile(t, a.Path("config"), good[:len(good)/2]+"\"")
	for range 3 {
		again(c.Relay)
	}
	if err := os.Remove(a.Path("config")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again(c.Relay)
	}
	if kept := child.Matching(isKept); len(kept) != 2 {
		t.Errorf("%d warnings, want one for each cause: %v", len(kept), kept)
	}
	a.Expect(0, `configuration: that of before is kept since .*config`, "status", lab.Alias)

	lab.WriteFile(t, a.Path("config"), "Host *\n  HostName 127.0.0.1\n")
	a.Host(lab.Alias, c.other.Port, "LocalForward "+strings.Replace(strings.TrimPrefix(later.Flags[1], "127.0.0.1:"), ":", " ", 1))
	again(c.other)
	if lab.Accepts(later.Address) {
		t.Error("a forward that the file has now listens before a reload")
	}
	before := c.other.Count()
	text := a.Expect(0, `added -L`, "reload", lab.Alias)
	if strings.Contains(text, "logged in anew") || c.other.Count() != before {
		t.Errorf("the reload logs in anew, though the connection leads this way already: %s", text)
	}
	lab.Check(t, later.Works(lab.Patience))
	if text, _ := a.Ask("status", lab.Alias); strings.Contains(text, "is kept since") {
		t.Errorf("status still says that the configuration cannot be used:\n%s", text)
	}
}

// The connection that had followed an edit went on by it when the edit was taken back, and a reload said that nothing had changed.
func TestReloadTakesAnEditBack(t *testing.T) {
	t.Parallel()
	c := atCrossroads(t)
	c.other.Open()
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	child := c.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitUp(t, child, 0)
	good := lab.ReadFile(t, c.Account.Path("config"))
	c.Account.Forget()
	c.Account.Host(lab.Alias, c.other.Port)
	from := child.Mark()
	c.Relay.Cut()
	lab.WaitUp(t, child, from)
	c.carries(r, c.other)
	lab.WriteFile(t, c.Account.Path("config"), good)
	c.Account.Expect(0, "reloaded in .*: the way to the server is another than that of the connection; logged in anew", "reload", lab.Alias)
	c.carries(r, c.Relay)
	c.Account.Expect(0, "reloaded in .*: nothing has changed\n", "reload", lab.Alias)
}

// A file that is half written may lead to a server whose key nobody knows. That was the end of the tunnel.
func TestWrongTurnOfAnEditIsNoEnd(t *testing.T) {
	t.Parallel()
	c := atCrossroads(t)
	stranger := lab.StartSSHD(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	child := c.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitUp(t, child, 0)
	c.Account.Forget()
	c.Account.Host(lab.Alias, stranger.Port)
	from := child.Mark()
	lab.Eventually(t, 2*lab.Patience, "refused by the host key", func() bool {
		c.Relay.Cut()
		return slices.ContainsFunc(child.Matching(lab.IsFailed), func(l lab.Line) bool { return l.Field("phase") == "host key" })
	})
	c.configure()
	lab.WaitUp(t, child, from)
	lab.Check(t, r.Works(lab.Patience))
}

// A command of Match exec that hangs holds an attempt up for its ten seconds, and the last good way is taken.
func TestMatchExecThatHangsDoesNotKeepTheTunnelDown(t *testing.T) {
	t.Parallel()
	c := atCrossroads(t)
	hangs := c.Account.Path("hangs")
	text := lab.ReadFile(t, c.Account.Path("config"))
	lab.WriteFile(t, c.Account.Path("config"), fmt.Sprintf("Match exec \"test ! -e %s || sleep 600\"\n    Compression no\n%s", hangs, text))
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	child := c.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitUp(t, child, 0)
	lab.WriteFile(t, hangs, "")
	from := child.Mark()
	lab.Eventually(t, 3*lab.Patience, "said that the configuration cannot be used", func() bool {
		c.Relay.Cut()
		return len(child.Matching(isKept)) > 0
	})
	lab.WaitUp(t, child, from)
	lab.Check(t, r.Works(lab.Patience))
}
