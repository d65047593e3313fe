package service

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// A reload says what it has changed.
func TestReloadSaysWhatHasChanged(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(1, "one")
	l.Account.Expect(0, `^one: reloaded in [0-9.]+m?s: nothing has changed\n$`, "reload", "one")

	added := "LocalForward " + other.Address + " " + targetOf(other)
	l.Configure([2]string{"one", forwardOf(one) + "\n" + added + "\nTunneldHold 3"})
	l.Account.Expect(0, `one: reloaded in .*: added `+other.Flags[0]+" "+regexp.QuoteMeta(other.Flags[1])+`; TunneldHold 3s \(was 30s\)\n`, "reload", "one")

	elsewhere := "LocalForward " + one.Address + " localhost:9"
	l.Configure([2]string{"one", elsewhere + "\nServerAliveCountMax 4\nTunneldHold 3"})
	l.Account.Expect(0, `one: reloaded in .*: -L `+one.Address+`:localhost:9 \(was to `+targetOf(one)+`\); removed -L .*; ServerAliveCountMax 4 \(was 3\); logged in anew\n`, "reload", "one")
	if n := l.Relay.Count(); n != 2 {
		t.Errorf("%d connections to the server, want a second for the new login", n)
	}

	from := c.Mark() // SIGHUP logs the same words
	l.Configure([2]string{"one", forwardOf(one) + "\nServerAliveCountMax 5\nTunneldHold 3"})
	c.Signal(syscall.SIGHUP)
	c.WaitLine(t, from, lab.Patience, "what has changed", func(line lab.Line) bool {
		return line.Field("msg") == "reloaded" && strings.HasSuffix(line.Field("changed"), "; ServerAliveCountMax 5 (was 4); logged in anew")
	})
	lab.Check(t, one.Works(lab.Patience))
}

// A new login that fails is told, with the exit code and with what goes on.
func TestReloadTellsWhatBecameOfTheLogin(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Up(1, "one")
	closed := "HostName 127.0.0.1\nPort 1"
	l.Configure([2]string{"one", closed + "\n" + forwardOf(one)})
	l.Account.Expect(1, `one: reloaded, but there is no new login: .*refused; the present connection goes on as it is, and the next one has the new settings\n`, "reload", "one")
	lab.Check(t, one.Works(lab.Patience))

	l.Relay.Cut() // now it lives by the new settings: there is nobody
	lab.Eventually(t, lab.Patience, "it is down", func() bool { return l.Account.Status("one").Tunnels[0].State == "waiting" })
	l.Configure([2]string{"one", closed + "\nTunneldHold 3\n" + forwardOf(one)})
	l.Account.Expect(0, `one: reloaded in .*: TunneldHold 3s \(was 30s\); it is not up: `, "reload", "one")
	l.Configure([2]string{"one", closed + "\nServerAliveCountMax 4\n" + forwardOf(one)})
	l.Account.Expect(1, `one: reloaded, but there is no new login: .*refused; the tunnel is down, and tries on with the new settings\n`, "reload", "one")
	l.Configure([2]string{"one", forwardOf(one)})
	l.Account.Expect(0, `one: reloaded in .*Port [0-9]+ \(was 1\); ServerAliveCountMax 3 \(was 4\); logged in anew\n`, "reload", "one")
	lab.Check(t, one.Works(lab.Patience))
}

// A lazy tunnel logs in anew with its next client.
func TestReloadOfALazyTunnel(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Configure([2]string{"one", forwardOf(one) + "\nTunneldLazy 1m"})
	c := l.Account.Tunneld("up", "one", "-F", l.Account.Path("config"))
	lab.Eventually(t, lab.Patience, "it waits", func() bool {
		text, _ := l.Account.Ask("status", "one")
		return strings.Contains(text, "waiting for the first client")
	})
	l.Configure([2]string{"one", forwardOf(one) + "\nTunneldLazy 1m\nServerAliveCountMax 4"})
	l.Account.Expect(0, `one: reloaded in .*: ServerAliveCountMax 4 \(was 3\); the next connection logs in anew\n`, "reload", "one")
	lab.Check(t, one.Works(lab.Patience))
	if !c.Running() {
		t.Error("it has ended")
	}
}

// A lazy tunnel that gets its first forward at the server does not wait for a client, who may never come.
func TestReloadWakesALazyTunnelForARemoteForward(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Configure([2]string{"one", forwardOf(one) + "\nTunneldLazy 1m"})
	l.Account.Tunneld("up", "one", "-F", l.Account.Path("config"))
	lab.Eventually(t, lab.Patience, "it waits", func() bool {
		text, _ := l.Account.Ask("status", "one")
		return strings.Contains(text, "waiting for the first client")
	})
	l.Configure([2]string{"one", forwardOf(one) + "\nTunneldLazy 1m\nRemoteForward 0 localhost:1"})
	l.Account.Expect(0, `one: reloaded in .*added -R 0`, "reload", "one")
	lab.Eventually(t, lab.Patience, "the server listens", func() bool {
		forwards := l.Account.Status("one").Tunnels[0].Forwards
		return len(forwards) == 2 && forwards[1].State == "listening"
	})
}

// What was put down is told, and a new alias says how it is.
func TestReloadTellsOfWhatIsDownAndWhatIsNew(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", forwardOf(other)})
	l.Up(2, "sx-*")
	l.Account.Expect(0, "sx-b: stopped", "down", "sx-b")
	l.Account.Expect(0, `(?m)^sx-b: stays down: somebody has stopped it$`, "reload", "sx-a")
	if text := l.Account.Expect(0, `^sx-a: reloaded in .*: nothing has changed\n$`, "reload", "sx-a"); strings.Contains(text, "sx-b") {
		t.Errorf("it says so each time:\n%s", text)
	}
	fresh := lab.LocalRoute(t, targetOf(one))
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-c", forwardOf(fresh)})
	l.Account.Expect(0, `(?m)^sx-c: started in .*: up`, "reload", "sx-a")
}

// A configuration that is not adopted does not change what the log shows either.
func TestLogLevelOfAReloadThatFails(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.Up(1, "one")
	busy := lab.StartTarget(t, lab.Echo).Address()
	l.Configure([2]string{"one", "LogLevel DEBUG\n" + forwardOf(one) + "\nLocalForward " + busy + " localhost:9"})
	l.Account.Expect(1, "one: .*address already in use", "reload", "one")
	lab.Check(t, one.Works(lab.Patience))
	isDebug := func(line lab.Line) bool { return line.Field("level") == "DEBUG" }
	if shown := c.Matching(isDebug); len(shown) > 0 {
		t.Errorf("the log shows %v", shown[0])
	}
	l.Configure([2]string{"one", "LogLevel DEBUG\n" + forwardOf(one)})
	l.Account.Expect(0, `LogLevel DEBUG \(was INFO\)\n`, "reload", "one")
	lab.Check(t, one.Works(lab.Patience))
	c.WaitLine(t, 0, lab.Patience, "a line of debug", isDebug)
}

// Two at once both tell the truth: what the first has changed is no news of the second.
func TestTwoReloadsAtOnceTellTheTruth(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Up(1, "one")
	l.Configure([2]string{"one", forwardOf(one) + "\n" + forwardOf(other) + "\nServerAliveCountMax 4"})
	first, second := l.Account.Tunneld("reload", "one"), l.Account.Tunneld("reload", "one")
	if a, b := first.WaitExit(t, lab.Patience), second.WaitExit(t, lab.Patience); a != 0 || b != 0 {
		t.Errorf("exit codes %d and %d: %s%s", a, b, first.Text(), second.Text())
	}
	both := first.Text() + second.Text()
	if strings.Count(both, "logged in anew") != 1 || strings.Count(both, "nothing has changed") != 1 {
		t.Errorf("they say\n%s", both)
	}
	lab.Check(t, other.Works(lab.Patience))
}
