package service

import (
	"github.com/tunneld/tunneld/integration/lab"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestReconnectLosesNobody(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Up(1, "one")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	l.Account.Expect(0, "one: reconnected in ", "reconnect", "one")
	lab.Check(t, lab.Exchange(open, "after, on the old connection", lab.Patience))
	lab.Check(t, one.Works(lab.Patience))
	if s := l.Account.Status("one"); s.Tunnels[0].Replacements != 1 {
		t.Errorf("%d replacements, want 1", s.Tunnels[0].Replacements)
	}
	l.Account.Expect(2, "which tunnel", "reconnect")
}

func TestReconnectThatFailsKeepsTheConnection(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Up(1, "one")
	open := one.Connect(t)
	l.Relay.Shut()
	l.Account.Expect(1, "tunneld: one: .*refused", "reconnect", "one")
	lab.Check(t, lab.Exchange(open, "still there", lab.Patience))
}

func TestDownStopsOneAndTheLastEndsTheProcess(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(2, "one", "two")
	l.Account.Expect(0, "one: stopped", "down", "one")
	if lab.Accepts(one.Address) {
		t.Error("the port of what was stopped still accepts")
	}
	lab.Check(t, other.Works(lab.Patience))
	if s := l.Account.Status(); len(s.Tunnels) != 1 || s.Tunnels[0].Name != "two" {
		t.Errorf("the status after it: %+v", s)
	}
	l.Account.Expect(0, "two: stopped", "down", "*")
	l.Up(1, "one") // everything is free the moment that down returns
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestReloadChangesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Up(1, "one")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	added := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one), "LocalForward "+added.Address+" "+targetOf(added))
	l.Account.Expect(0, "one: reloaded", "reload", "one")
	lab.Check(t, lab.Exchange(open, "after", lab.Patience))
	lab.Check(t, added.Works(lab.Patience))
	if l.Relay.Count() != 1 {
		t.Errorf("%d connections to the server, want the one of before", l.Relay.Count())
	}

	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+other.Address) // no target
	l.Account.Expect(1, "(?s)one: .*config:.*LocalForward", "reload", "one")
	lab.Check(t, lab.Exchange(open, "after a broken configuration", lab.Patience))
	lab.Check(t, added.Works(lab.Patience))
}

func targetOf(r lab.Route) string { return strings.TrimPrefix(r.Flags[1], r.Address+":") }

func TestOneThatIsRefusedLeavesTheOthers(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Account.Forget()
	l.Account.Host("bad", l.Relay.Port, "UserKnownHostsFile /dev/null", "LocalForward "+lab.Loopback(lab.FreePort(t))+" 127.0.0.1:1")
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one))
	c := l.Up(1, "bad", "one")
	lab.Eventually(t, lab.Patience, "bad is shown as failed", func() bool {
		s := l.Account.Status()
		return len(s.Tunnels) == 2 && s.Tunnels[0].State == "failed" && s.Tunnels[1].State == "up"
	})
	lab.Check(t, one.Works(lab.Patience))
	l.Account.Expect(0, `bad · failed(?s).*host key`, "status")
	l.Account.Expect(1, "bad: failed", "health")
	l.Account.Expect(1, "bad: it has failed\ntunneld: hint: .*`tunneld reload bad` tries it again", "reconnect", "bad") // and not that it has stopped
	l.Account.Expect(1, "(?m)^tunneld: bad: it has failed\n", "forward", "bad", "-D", "1080")
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 3 {
		t.Errorf("exit code %d, want 3 because of bad", code)
	}
	lab.TwoLines(t, c.Text(), "bad: .*host key")
}

func TestReloadTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	known, err := os.ReadFile(l.Account.Path("known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one))
	l.Account.Host("two", l.Relay.Port, "UserKnownHostsFile "+l.Account.Path("later"), "LocalForward "+other.Address+" "+targetOf(other))
	c := l.Up(1, "one", "two")
	lab.Eventually(t, lab.Patience, "two has failed", func() bool { return l.Account.Status("two").Tunnels[0].State == "failed" })
	lab.WriteFile(t, l.Account.Path("later"), string(known))
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	lab.Check(t, other.Works(lab.Patience))
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0: it was mended", code)
	}
}

func TestSignalsReachEveryTunnel(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(2, "one", "two")
	c.Signal(syscall.SIGUSR1)
	lab.Eventually(t, lab.Patience, "both are replaced", func() bool {
		s := l.Account.Status()
		return len(s.Tunnels) == 2 && s.Tunnels[0].Replacements == 1 && s.Tunnels[1].Replacements == 1
	})
	added := lab.LocalRoute(t, targetOf(one))
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+added.Address+" "+targetOf(added))
	l.Account.Host("two", l.Relay.Port, "LocalForward "+other.Address+" "+targetOf(other))
	c.Signal(syscall.SIGHUP)
	lab.Check(t, other.Works(lab.Patience))
	lab.Eventually(t, lab.Patience, "the new port works and the old one is closed", func() bool {
		return lab.Accepts(added.Address) && !lab.Accepts(one.Address)
	})
}
