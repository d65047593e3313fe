package service

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// forwardOf returns the line of ssh_config(5) for a local route.
func forwardOf(r lab.Route) string { return "LocalForward " + r.Address + " " + targetOf(r) }

// An alias that was renamed takes the place of the one before: its port does not close, and the daemon goes on.
func TestReloadOfARenamedAlias(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Configure([2]string{"sx-old", forwardOf(one)})
	c := l.Up(1, "sx-*")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	l.Configure([2]string{"sx-new", forwardOf(one)})
	c.Signal(syscall.SIGHUP)
	lab.Eventually(t, lab.Patience, "the new one runs", func() bool { return slices.Contains(l.Account.Names(), "sx-new") })
	lab.Check(t, one.Works(lab.Patience))
	lab.Check(t, lab.Exchange(open, "on the connection of before, which drains", lab.Patience))
	open.Close()

	l.Configure([2]string{"sx-old", forwardOf(one)}) // and back, while the first may still drain
	l.Account.Expect(0, "(?s)sx-old: started in .*sx-new: stopped, no longer configured|(?s)sx-new: stopped, no longer configured.*sx-old: started in ", "reload", "sx-new")
	lab.Check(t, one.Works(lab.Patience))
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The port file is that of the tunnel that runs: one that was gone for a moment, and whose connections of before went on, took it away
// when these had ended.
func TestPortFileIsThatOfTheTunnelThatRuns(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	file := l.Account.Path("ports")
	ports := func() string { text, _ := os.ReadFile(file); return string(text) }
	a := [2]string{"sx-a", forwardOf(one) + "\nRemoteForward 0 " + targetOf(one) + "\nTunneldPortFile " + file}
	b := [2]string{"sx-b", forwardOf(other)}
	l.Configure(a, b)
	l.Up(2, "sx-*", "-o", "TunneldDrain=10m")
	lab.Eventually(t, lab.Patience, "the port is told", func() bool { return ports() != "" })
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	l.Configure(b)
	l.Account.Expect(0, "sx-a: stopped", "reload", "sx-b")
	lab.Eventually(t, lab.Patience, "a port that is there no more is not told", func() bool { return ports() == "" })
	l.Configure(a, b)
	l.Account.Expect(0, "sx-a: started", "reload", "sx-b")
	lab.Eventually(t, lab.Patience, "the new port is told", func() bool { return ports() != "" })
	told := ports()
	lab.Check(t, lab.Exchange(open, "it goes on meanwhile", lab.Patience))
	open.Close()
	lab.Eventually(t, lab.Patience, "the one of before has ended", func() bool {
		text, _ := l.Account.Ask("log", "sx-a")
		return strings.Contains(text, "INF stopped: no longer configured")
	})
	if now := ports(); now != told {
		t.Errorf("the file has %q, want %q", now, told)
	}
}

// A daemon does not end because its configuration went: it goes on as before, and says so.
func TestReloadWithoutTheAliasGoesOn(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(1, "one")
	l.Configure([2]string{"two", forwardOf(other)})
	l.Account.Expect(1, "one: .*no Host block matches", "reload", "one")
	c.Signal(syscall.SIGHUP)
	lab.Eventually(t, lab.Patience, "both reloads are told of", func() bool {
		return len(c.Matching(lab.Said("configuration not reloaded, everything stays as it was"))) == 2
	})
	lab.Check(t, one.Works(lab.Patience))

	busy := lab.StartTarget(t, lab.Echo).Address()
	l.Configure([2]string{"sx-a", forwardOf(one)})
	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	c = l.Up(1, "sx-*")
	l.Configure([2]string{"sx-b", "LocalForward " + busy + " 127.0.0.1:9"})
	l.Account.Expect(1, "(?s)sx-b: .*address already in use.*sx-a: no longer configured, but goes on|(?s)sx-a: no longer configured, but goes on.*sx-b: .*address already in use", "reload", "sx-a")
	lab.Check(t, one.Works(lab.Patience))
	if !c.Running() {
		t.Errorf("it ended with %d", c.ExitCode())
	}
}

// Nor does it end because the server refuses what has taken its tunnel's place, port and all.
func TestReloadToWhatIsRefusedGoesOn(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Configure([2]string{"sx-a", forwardOf(one)})
	c := l.Up(1, "sx-*")
	open := one.Connect(t)
	defer open.Close()
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	l.Configure([2]string{"sx-b", forwardOf(one) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"})
	l.Account.Expect(1, "(?s)sx-b: .*host key.*sx-a: no longer configured, but goes on", "reload", "sx-a")
	lab.Check(t, lab.Exchange(open, "on the connection of before", lab.Patience))
	lab.Eventually(t, lab.Patience, "it has its port again", func() bool { return one.Works(lab.Patience) == nil })
	lab.Check(t, one.Works(lab.Patience))
	if !c.Running() {
		t.Errorf("it ended with %d", c.ExitCode())
	}
}

// What a reload cannot do is said in words that are true, once, and without empty advice.
func TestReloadSaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	refused := forwardOf(other) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"
	l.Configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", refused})
	c := l.Up(1, "sx-*")
	lab.Eventually(t, lab.Patience, "the other has failed", func() bool { return len(c.Matching(lab.Said("failed for good, the other tunnels go on"))) == 1 })
	l.Configure([2]string{"sx-a", forwardOf(one)})
	l.Account.Expect(0, "sx-b: forgotten, no longer configured, in ", "reload", "sx-b")
	l.Configure([2]string{"sx-a", "Compression no"})
	if out := l.Account.Expect(1, "sx-a: nothing to forward", "reload", "sx-a"); strings.Contains(out, "sx-a: sx-a: ") {
		t.Errorf("the name is said twice: %s", out)
	}

	open := one.Connect(t) // so that it drains
	defer open.Close()
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	c.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "it drains", func() bool { return !lab.Accepts(one.Address) })
	l.Account.Expect(1, "sx-a: not reloaded, it is being stopped", "reload", "sx-a")
	if out := c.Output(); strings.Contains(out, `"hint":""`) || strings.Count(out, "everything stays as it was") != 1 {
		t.Errorf("it says\n%s", out)
	}
}

func TestReloadTellsOfOthersThatFail(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.Up(2, "one", "two")
	busy := lab.StartTarget(t, lab.Echo).Address()
	l.Configure([2]string{"one", forwardOf(one)}, [2]string{"two", forwardOf(other) + "\nLocalForward " + busy + " 127.0.0.1:9"})
	l.Account.Expect(1, "(?s)one: reloaded in .*two: .*address already in use", "reload", "one")
	lab.Check(t, other.Works(lab.Patience))

	refused := forwardOf(other) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"
	l.Configure([2]string{"one", forwardOf(one)}, [2]string{"two", refused})
	l.Account.Expect(1, "(?s)one: reloaded in .*two: .*host key", "reload", "one") // the connection of before goes on
	lab.Check(t, other.Works(lab.Patience))
}

func TestReloadLeavesWhatSomebodyHasPutDown(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(2, "one", "two")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	down := l.Account.Tunneld("down", "one")
	lab.Eventually(t, lab.Patience, "it drains", func() bool { return !lab.Accepts(one.Address) })
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	if lab.Accepts(one.Address) {
		t.Error("a reload has bound the port of what drains")
	}
	open.Close()
	down.WaitExit(t, lab.Patience)
	c.Signal(syscall.SIGHUP)
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	if names := fmt.Sprint(l.Account.Names()); names != "[two]" || lab.Accepts(one.Address) {
		t.Errorf("a reload has started what was put down: %s", names)
	}
	lab.Check(t, other.Works(lab.Patience))
	l.Up(1, "one") // a daemon of its own, with which the other does not interfere
	c.Signal(syscall.SIGHUP)
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	lab.Check(t, one.Works(lab.Patience))
}

// Several reloads at once, while connections are replaced and while the server is away, end with what the last one says.
func TestReloadsAtOnce(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.Up(2, "one", "two")
	l.Relay.Shut()
	var asking []*lab.Child
	for i := range 12 {
		first, second := one, other
		if i%2 == 1 {
			first, second = other, one // they change places
		}
		l.Configure([2]string{"one", forwardOf(first)}, [2]string{"two", forwardOf(second)})
		c.Signal([]syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1}[i%3%2])
		if i%3 == 0 { // these come by themselves, and meet each other and the signals
			asking = append(asking, l.Account.Tunneld("reload", "*"))
		}
		if i == 6 {
			l.Relay.Open()
		}
	}
	for _, ask := range asking {
		ask.WaitExit(t, 2*lab.Patience) // it may have read a configuration that another has changed again
	}
	l.Account.Expect(0, "(?s)one: reloaded.*two: reloaded", "reload", "one", "two")
	l.Configure([2]string{"one", forwardOf(one)}, [2]string{"two", forwardOf(other)})
	l.Account.Expect(0, "(?s)one: reloaded.*two: reloaded", "reload", "*")
	for name, r := range map[string]lab.Route{"one": one, "two": other} {
		lab.Check(t, r.Works(lab.Patience))
		if s := l.Account.Status(name).Tunnels[0]; len(s.Forwards) != 1 || s.Forwards[0].Bound[0] != r.Address {
			t.Errorf("%s: %+v", name, s.Forwards)
		}
	}
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, 2*lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// ssh warns of a local port that is taken and goes on. So do we, and ask for it until it is free.
func TestBusyLocalPortDoesNotEndTheOthers(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	stranger, err := net.Listen("tcp", other.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	m := startManager(t)
	l.Prefix = []string{"env", "NOTIFY_SOCKET=" + m.path}
	web := lab.Loopback(lab.FreePort(t))
	words := []string{"-F", l.Account.Path("config"), "--log-format", "json", "--listen", web}
	l.Configure([2]string{"one", forwardOf(one) + "\n" + forwardOf(other)})
	c := l.Account.Run(lab.Tunneld, l.Words(l.Account.Binary(), "up", "one", words))
	lab.WaitUp(t, c, 0)
	at := m.wait(t, 0, "READY=1")
	m.wait(t, at, "STATUS=up, ") // and what is missing
	if all := strings.Join(m.all(), "\n"); !strings.Contains(all, "-L "+other.Address+":"+targetOf(other)+" does not listen") {
		t.Errorf("the service manager heard\n%s", all)
	}
	lab.Check(t, one.Works(lab.Patience))
	l.Account.Expect(0, "(?m)^ +-L "+other.Address+".* failed "+other.Address+": address already in use", "status")
	l.Account.Expect(1, "one: -L "+other.Address+".*: failed: .*address already in use", "health")
	get := func(path string) string {
		answer, err := http.Get("http://" + web + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	metric := func(value int) string {
		return fmt.Sprintf("tunneld_forward_listening{forward=\"-L %s:%s\",tunnel=\"one\"} %d", other.Address, targetOf(other), value)
	}
	if text := get("/metrics"); !strings.Contains(text, metric(0)) {
		t.Errorf("the metrics do not say %s", metric(0))
	}
	if text := get("/readyz"); !strings.Contains(text, "address already in use") {
		t.Errorf("/readyz says %q", text)
	}
	l.Account.Expect(0, "one: reloaded", "reload", "one")
	stranger.Close()
	lab.Eventually(t, lab.Patience, "the port carries", func() bool { return other.Works(lab.Patience) == nil }) // a child that is just begun may have the stranger's socket yet
	lab.Eventually(t, lab.Patience, "it is healthy", func() bool { _, code := l.Account.Ask("health"); return code == 0 })
	if text := get("/metrics"); !strings.Contains(text, metric(1)) {
		t.Errorf("the metrics do not say %s", metric(1))
	}
	if n := len(c.Matching(lab.Said("not listening yet, trying again"))); n != 1 {
		t.Errorf("it was said %d times, want once:\n%s", n, c.Output())
	}
}

func TestBusyLocalPortOfOneOfTwoTunnels(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	stranger, err := net.Listen("tcp", other.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	l.Account.Expect(2, "two|address already in use", "up", "two", "-F", l.Account.Path("config"))
	l.Account.Expect(2, "address already in use", "up", "one", "two", "-o", "ExitOnForwardFailure=yes", "-F", l.Account.Path("config"))
	l.Account.Expect(2, "(?m)^FAIL .*address already in use", "check", "two", "-F", l.Account.Path("config"))
	l.Up(2, "one", "two")
	lab.Check(t, one.Works(lab.Patience))
	stranger.Close()
	lab.Eventually(t, lab.Patience, "the port carries", func() bool { return other.Works(lab.Patience) == nil }) // a child that is just begun may have the stranger's socket yet
}

// A socket of the service manager that no forward wants for a while can be had again.
func TestSocketOfTheServiceManagerIsTakenAgain(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	socket, err := net.Listen("tcp", one.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() // held by the service manager as well
	l.Configure([2]string{lab.Alias, forwardOf(one)})
	c := l.Inherit([]net.Listener{socket})
	lab.WaitUp(t, c, 0)
	lab.Check(t, one.Works(lab.Patience))
	for range 2 {
		l.Configure([2]string{lab.Alias, forwardOf(other)})
		l.Account.Expect(0, "reloaded", "reload", lab.Alias)
		lab.Check(t, other.Works(lab.Patience))
		if err := one.Works(lab.Patience); err == nil {
			t.Error("the forward that is gone still carries")
		}
		l.Configure([2]string{lab.Alias, forwardOf(one)})
		l.Account.Expect(0, "reloaded", "reload", lab.Alias)
		lab.Check(t, one.Works(lab.Patience))
	}
}
