package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestReconnectLosesNobody(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.up(1, "one")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	l.account.expect(0, "one: reconnected in ", "reconnect", "one")
	check(t, exchange(open, "after, on the old connection", patience))
	check(t, one.works(patience))
	if s := l.account.status("one"); s.Tunnels[0].Replacements != 1 {
		t.Errorf("%d replacements, want 1", s.Tunnels[0].Replacements)
	}
	l.account.expect(2, "which tunnel", "reconnect")
}

func TestReconnectThatFailsKeepsTheConnection(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.up(1, "one")
	open := one.connect(t)
	l.relay.shut()
	l.account.expect(1, "tunneld: one: .*refused", "reconnect", "one")
	check(t, exchange(open, "still there", patience))
}

func TestDownStopsOneAndTheLastEndsTheProcess(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(2, "one", "two")
	l.account.expect(0, "one: stopped", "down", "one")
	if accepts(one.address) {
		t.Error("the port of what was stopped still accepts")
	}
	check(t, other.works(patience))
	if s := l.account.status(); len(s.Tunnels) != 1 || s.Tunnels[0].Name != "two" {
		t.Errorf("the status after it: %+v", s)
	}
	l.account.expect(0, "two: stopped", "down", "*")
	l.up(1, "one") // everything is free the moment that down returns
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestReloadChangesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.up(1, "one")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	added := localRoute(t, startTarget(t, echo).address())
	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one), "LocalForward "+added.address+" "+targetOf(added))
	l.account.expect(0, "one: reloaded", "reload", "one")
	check(t, exchange(open, "after", patience))
	check(t, added.works(patience))
	if l.relay.count() != 1 {
		t.Errorf("%d connections to the server, want the one of before", l.relay.count())
	}

	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+other.address) // no target
	l.account.expect(1, "(?s)one: .*config:.*LocalForward", "reload", "one")
	check(t, exchange(open, "after a broken configuration", patience))
	check(t, added.works(patience))
}

func targetOf(r route) string { return strings.TrimPrefix(r.flags[1], r.address+":") }

func TestOneThatIsRefusedLeavesTheOthers(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.account.forget()
	l.account.host("bad", l.relay.port, "UserKnownHostsFile /dev/null", "LocalForward "+loopback(freePort(t))+" 127.0.0.1:1")
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one))
	c := l.up(1, "bad", "one")
	eventually(t, patience, "bad is shown as failed", func() bool {
		s := l.account.status()
		return len(s.Tunnels) == 2 && s.Tunnels[0].State == "failed" && s.Tunnels[1].State == "up"
	})
	check(t, one.works(patience))
	l.account.expect(0, `bad · failed(?s).*host key`, "status")
	l.account.expect(1, "bad: failed", "health")
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 3 {
		t.Errorf("exit code %d, want 3 because of bad", code)
	}
	twoLines(t, c.text(), "bad: .*host key")
}

func TestReloadTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	known, err := os.ReadFile(l.account.path("known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one))
	l.account.host("two", l.relay.port, "UserKnownHostsFile "+l.account.path("later"), "LocalForward "+other.address+" "+targetOf(other))
	c := l.up(1, "one", "two")
	eventually(t, patience, "two has failed", func() bool { return l.account.status("two").Tunnels[0].State == "failed" })
	writeFile(t, l.account.path("later"), string(known))
	l.account.expect(0, "two: reloaded", "reload", "two")
	check(t, other.works(patience))
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0: it was mended", code)
	}
}

func TestSignalsReachEveryTunnel(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(2, "one", "two")
	c.signal(syscall.SIGUSR1)
	eventually(t, patience, "both are replaced", func() bool {
		s := l.account.status()
		return len(s.Tunnels) == 2 && s.Tunnels[0].Replacements == 1 && s.Tunnels[1].Replacements == 1
	})
	added := localRoute(t, targetOf(one))
	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+added.address+" "+targetOf(added))
	l.account.host("two", l.relay.port, "LocalForward "+other.address+" "+targetOf(other))
	c.signal(syscall.SIGHUP)
	check(t, other.works(patience))
	eventually(t, patience, "the new port works and the old one is closed", func() bool {
		return accepts(added.address) && !accepts(one.address)
	})
}
