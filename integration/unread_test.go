package integration

import (
	"os"
	"testing"
)

// A configuration that can not be read for a moment changes nothing in a tunnel that runs: the alias would be taken for the
// name of a host.
func TestReloadOfAConfigurationThatCanNotBeReadChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	l.open(tunneld, []route{r})
	check(t, os.Rename(l.account.path("config"), l.account.path("config.away")))
	check(t, os.Mkdir(l.account.path("config"), 0o700))
	l.account.expect(1, "tunneld: "+alias+": .*config: can not be read: is a directory", "reload", alias)
	check(t, r.works(patience))
	l.account.expect(2, "nothing to forward, and no -L.*config: can not be read: is a directory", "check", "-F", l.account.path("config"), "other")
	check(t, os.Remove(l.account.path("config")))
	check(t, os.Rename(l.account.path("config.away"), l.account.path("config")))
	l.account.expect(0, "reloaded", "reload", alias)
	if l.relay.count() != 1 {
		t.Errorf("%d connections to the server, want the one of before", l.relay.count())
	}
}

// The file of known hosts is away at the moment of a reconnect: the tunnel comes back all the same, and a server with another
// key is not let in.
func TestReconnectWhileKnownHostsIsAway(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	from := c.mark()
	check(t, os.Remove(l.account.path("known_hosts")))
	check(t, os.Mkdir(l.account.path("known_hosts"), 0o700))
	l.relay.cut()
	waitLost(t, c, from, patience)
	waitUp(t, c, from)
	check(t, r.works(patience))
}
