package service

import (
	"github.com/tunneld/tunneld/integration/lab"
	"os"
	"testing"
)

// A configuration that cannot be read for a moment changes nothing in a tunnel that runs: the alias would be taken for the
// name of a host.
func TestReloadOfAConfigurationThatCanNotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Open(lab.Tunneld, []lab.Route{r})
	lab.Check(t, os.Rename(l.Account.Path("config"), l.Account.Path("config.away")))
	lab.Check(t, os.Mkdir(l.Account.Path("config"), 0o700))
	l.Account.Expect(1, "tunneld: "+lab.Alias+": .*config: cannot be read: is a directory", "reload", lab.Alias)
	lab.Check(t, r.Works(lab.Patience))
	l.Account.Expect(2, "nothing to forward, and no -L.*config: cannot be read: is a directory", "check", "-F", l.Account.Path("config"), "other")
	lab.Check(t, os.Remove(l.Account.Path("config")))
	lab.Check(t, os.Rename(l.Account.Path("config.away"), l.Account.Path("config")))
	l.Account.Expect(0, "reloaded", "reload", lab.Alias)
	if l.Relay.Count() != 1 {
		t.Errorf("%d connections to the server, want the one of before", l.Relay.Count())
	}
}

// The file of known hosts is away at the moment of a reconnect: the tunnel comes back all the same, and a server with another
// key is not let in.
func TestReconnectWhileKnownHostsIsAway(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	from := c.Mark()
	lab.Check(t, os.Remove(l.Account.Path("known_hosts")))
	lab.Check(t, os.Mkdir(l.Account.Path("known_hosts"), 0o700))
	l.Relay.Cut()
	lab.WaitLost(t, c, from, lab.Patience)
	lab.WaitUp(t, c, from)
	lab.Check(t, r.Works(lab.Patience))
}
