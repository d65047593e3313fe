package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// forwardOf gives the line of ssh_config(5) for a local route.
func forwardOf(r route) string { return "LocalForward " + r.address + " " + targetOf(r) }

// An alias that was renamed takes the place of the one before: its port does not close, and the daemon goes on.
func TestReloadOfARenamedAlias(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.configure([2]string{"sx-old", forwardOf(one)})
	c := l.up(1, "sx-*")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	l.configure([2]string{"sx-new", forwardOf(one)})
	c.signal(syscall.SIGHUP)
	eventually(t, patience, "the new one runs", func() bool { return slices.Contains(l.account.names(), "sx-new") })
	check(t, one.works(patience))
	check(t, exchange(open, "on the connection of before, which drains", patience))
	open.Close()

	l.configure([2]string{"sx-old", forwardOf(one)}) // and back, while the first may still drain
	l.account.expect(0, "(?s)sx-old: started in .*sx-new: stopped, no longer configured|(?s)sx-new: stopped, no longer configured.*sx-old: started in ", "reload", "sx-new")
	check(t, one.works(patience))
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// A daemon does not end because its configuration went: it goes on as before, and says so.
func TestReloadWithoutTheAliasGoesOn(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(1, "one")
	l.configure([2]string{"two", forwardOf(other)})
	l.account.expect(1, "one: .*no Host block matches", "reload", "one")
	c.signal(syscall.SIGHUP)
	eventually(t, patience, "both reloads are told of", func() bool {
		return len(c.matching(said("configuration not reloaded, everything goes on as before"))) == 2
	})
	check(t, one.works(patience))

	busy := startTarget(t, echo).address()
	l.configure([2]string{"sx-a", forwardOf(one)})
	c.signal(syscall.SIGTERM)
	c.waitExit(t, patience)
	c = l.up(1, "sx-*")
	l.configure([2]string{"sx-b", "LocalForward " + busy + " 127.0.0.1:9"})
	l.account.expect(1, "(?s)sx-b: .*address already in use.*sx-a: no longer configured, but goes on|(?s)sx-a: no longer configured, but goes on.*sx-b: .*address already in use", "reload", "sx-a")
	check(t, one.works(patience))
	if !c.running() {
		t.Errorf("it ended with %d", c.exitCode())
	}
}

// Nor does it end because the server refuses what has taken its tunnel's place, port and all.
func TestReloadToWhatIsRefusedGoesOn(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.configure([2]string{"sx-a", forwardOf(one)})
	c := l.up(1, "sx-*")
	open := one.connect(t)
	defer open.Close()
	check(t, exchange(open, "before", patience))
	l.configure([2]string{"sx-b", forwardOf(one) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"})
	l.account.expect(1, "(?s)sx-b: .*host key.*sx-a: no longer configured, but goes on", "reload", "sx-a")
	check(t, exchange(open, "on the connection of before", patience))
	eventually(t, patience, "it has its port again", func() bool { return accepts(one.address) })
	check(t, one.works(patience))
	if !c.running() {
		t.Errorf("it ended with %d", c.exitCode())
	}
}

// What a reload can not do is said in words that are true, once, and without empty advice.
func TestReloadSaysWhatIsTrue(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	refused := forwardOf(other) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"
	l.configure([2]string{"sx-a", forwardOf(one)}, [2]string{"sx-b", refused})
	c := l.up(1, "sx-*")
	eventually(t, patience, "the other has failed", func() bool { return len(c.matching(said("failed for good, the other tunnels go on"))) == 1 })
	l.configure([2]string{"sx-a", forwardOf(one)})
	l.account.expect(0, "sx-b: forgotten, no longer configured, in ", "reload", "sx-b")
	l.configure([2]string{"sx-a", "Compression no"})
	if out := l.account.expect(1, "sx-a: nothing to forward", "reload", "sx-a"); strings.Contains(out, "sx-a: sx-a: ") {
		t.Errorf("the name is said twice: %s", out)
	}

	open := one.connect(t) // so that it drains
	defer open.Close()
	check(t, exchange(open, "before", patience))
	c.signal(syscall.SIGTERM)
	eventually(t, patience, "it drains", func() bool { return !accepts(one.address) })
	l.account.expect(1, "sx-a: not reloaded, it is being stopped", "reload", "sx-a")
	if out := c.output(); strings.Contains(out, `"hint":""`) || strings.Count(out, "everything goes on as before") != 1 {
		t.Errorf("it says\n%s", out)
	}
}

func TestReloadTellsOfOthersThatFail(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.up(2, "one", "two")
	busy := startTarget(t, echo).address()
	l.configure([2]string{"one", forwardOf(one)}, [2]string{"two", forwardOf(other) + "\nLocalForward " + busy + " 127.0.0.1:9"})
	l.account.expect(1, "(?s)one: reloaded in .*two: .*address already in use", "reload", "one")
	check(t, other.works(patience))

	refused := forwardOf(other) + "\nUserKnownHostsFile /dev/null\nHostKeyAlias another"
	l.configure([2]string{"one", forwardOf(one)}, [2]string{"two", refused})
	l.account.expect(1, "(?s)one: reloaded in .*two: .*host key", "reload", "one") // the connection of before goes on
	check(t, other.works(patience))
}

func TestReloadLeavesWhatSomebodyHasPutDown(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(2, "one", "two")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	down := l.account.tunneld("down", "one")
	eventually(t, patience, "it drains", func() bool { return !accepts(one.address) })
	l.account.expect(0, "two: reloaded", "reload", "two")
	if accepts(one.address) {
		t.Error("a reload has bound the port of what drains")
	}
	open.Close()
	down.waitExit(t, patience)
	c.signal(syscall.SIGHUP)
	l.account.expect(0, "two: reloaded", "reload", "two")
	if names := fmt.Sprint(l.account.names()); names != "[two]" || accepts(one.address) {
		t.Errorf("a reload has started what was put down: %s", names)
	}
	check(t, other.works(patience))
	l.up(1, "one") // a daemon of its own, with which the other does not interfere
	c.signal(syscall.SIGHUP)
	l.account.expect(0, "two: reloaded", "reload", "two")
	check(t, one.works(patience))
}

// Several reloads at once, while connections are replaced and while the server is away, end with what the last one says.
func TestReloadsAtOnce(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(2, "one", "two")
	l.relay.shut()
	for i := range 12 {
		first, second := one, other
		if i%2 == 1 {
			first, second = other, one // they change places
		}
		l.configure([2]string{"one", forwardOf(first)}, [2]string{"two", forwardOf(second)})
		c.signal([]syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1}[i%3%2])
		if i == 6 {
			l.relay.open()
		}
	}
	l.account.expect(0, "(?s)one: reloaded.*two: reloaded", "reload", "one", "two")
	l.configure([2]string{"one", forwardOf(one)}, [2]string{"two", forwardOf(other)})
	l.account.expect(0, "(?s)one: reloaded.*two: reloaded", "reload", "*")
	for name, r := range map[string]route{"one": one, "two": other} {
		check(t, r.works(patience))
		if s := l.account.status(name).Tunnels[0]; len(s.Forwards) != 1 || s.Forwards[0].Bound[0] != r.address {
			t.Errorf("%s: %+v", name, s.Forwards)
		}
	}
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, 2*patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// ssh warns of a local port that is taken and goes on. So do we, and ask for it until it is free.
func TestBusyLocalPortDoesNotEndTheOthers(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	stranger, err := net.Listen("tcp", other.address)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	m := startManager(t)
	l.prefix = []string{"env", "NOTIFY_SOCKET=" + m.path}
	web := loopback(freePort(t))
	words := []string{"-F", l.account.path("config"), "--log-format", "json", "--listen", web}
	l.configure([2]string{"one", forwardOf(one) + "\n" + forwardOf(other)})
	c := l.account.run(tunneld, l.words(l.account.binary(), "up", "one", words))
	waitUp(t, c, 0)
	at := m.wait(t, 0, "READY=1")
	m.wait(t, at, "STATUS=up, ") // and what is missing
	if all := strings.Join(m.all(), "\n"); !strings.Contains(all, "-L "+other.address+":"+targetOf(other)+" does not listen") {
		t.Errorf("the service manager heard\n%s", all)
	}
	check(t, one.works(patience))
	l.account.expect(0, "(?m)^ +-L "+other.address+".* failed "+other.address+": address already in use", "status")
	l.account.expect(1, "one: -L "+other.address+".*: failed: .*address already in use", "health")
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
		return fmt.Sprintf("tunneld_forward_listening{forward=\"-L %s:%s\",tunnel=\"one\"} %d", other.address, targetOf(other), value)
	}
	if text := get("/metrics"); !strings.Contains(text, metric(0)) {
		t.Errorf("the metrics do not say %s", metric(0))
	}
	if text := get("/readyz"); !strings.Contains(text, "address already in use") {
		t.Errorf("/readyz says %q", text)
	}
	l.account.expect(0, "one: reloaded", "reload", "one")
	stranger.Close()
	eventually(t, patience, "the port is bound", func() bool { return accepts(other.address) })
	check(t, other.works(patience))
	eventually(t, patience, "it is healthy", func() bool { _, code := l.account.ask("health"); return code == 0 })
	if text := get("/metrics"); !strings.Contains(text, metric(1)) {
		t.Errorf("the metrics do not say %s", metric(1))
	}
	if n := len(c.matching(said("not listening yet, trying on"))); n != 1 {
		t.Errorf("it was said %d times, want once:\n%s", n, c.output())
	}
}

func TestBusyLocalPortOfOneOfTwoTunnels(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	stranger, err := net.Listen("tcp", other.address)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	l.account.expect(2, "two|address already in use", "up", "two", "-F", l.account.path("config"))
	l.account.expect(2, "address already in use", "up", "one", "two", "-o", "ExitOnForwardFailure=yes", "-F", l.account.path("config"))
	l.account.expect(2, "(?m)^FAIL .*address already in use", "check", "two", "-F", l.account.path("config"))
	l.up(2, "one", "two")
	check(t, one.works(patience))
	stranger.Close()
	eventually(t, patience, "the port is bound", func() bool { return accepts(other.address) })
	check(t, other.works(patience))
}

// A socket of the service manager that no forward wants for a while can be had again.
func TestSocketOfTheServiceManagerIsTakenAgain(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	socket, err := net.Listen("tcp", one.address)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() // held by the service manager as well
	l.configure([2]string{alias, forwardOf(one)})
	c := l.inherit([]net.Listener{socket})
	waitUp(t, c, 0)
	check(t, one.works(patience))
	for range 2 {
		l.configure([2]string{alias, forwardOf(other)})
		l.account.expect(0, "reloaded", "reload", alias)
		check(t, other.works(patience))
		if err := one.works(patience); err == nil {
			t.Error("the forward that is gone still carries")
		}
		l.configure([2]string{alias, forwardOf(one)})
		l.account.expect(0, "reloaded", "reload", alias)
		check(t, one.works(patience))
	}
}
