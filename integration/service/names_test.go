package service

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// toHost returns what a person types to whom the server is no alias.
func toHost(t *testing.T, l *lab.Lab) (destination string, words []string) {
	destination = l.Account.User + "@127.0.0.1"
	return destination, []string{"up", destination, "-F", "none", "-p", strconv.Itoa(l.Relay.Port), "-i", l.Account.Path("id_ed25519"),
		"-o", "UserKnownHostsFile=" + l.Account.Path("known_hosts"), "--log-format", "json", "-D", lab.Loopback(lab.FreePort(t))}
}

// Two tunnels to one host are usual. They get names of their own, also when they start at the same moment.
func TestTunnelsToOneHost(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	var all []*lab.Child
	var want []string
	destination := ""
	for n := range 4 {
		var words []string
		destination, words = toHost(t, l)
		all = append(all, l.Account.Tunneld(words...))
		if want = append(want, destination); n > 0 {
			want[n] = fmt.Sprintf("%s-%d", destination, n+1)
		}
	}
	for _, c := range all {
		lab.WaitUp(t, c, 0)
	}
	names := func() []string {
		list := l.Account.Names()
		slices.Sort(list)
		return list
	}
	if got := names(); !slices.Equal(got, want) {
		t.Fatalf("they are called %q, want %q", got, want)
	}
	for _, c := range all { // a reload leaves each its name
		c.Signal(syscall.SIGHUP)
		c.WaitLine(t, 0, lab.Patience, "a reload", lab.Said("configuration reloaded"))
	}
	l.Account.Expect(0, "root@127.0.0.1-3: reloaded|127.0.0.1-3: reloaded", "reload", want[2])
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("after a reload they are called %q, want %q", got, want)
	}
	l.Account.Expect(0, "stopped", "down", want[1])
	_, words := toHost(t, l)
	lab.WaitUp(t, l.Account.Tunneld(words...), 0)
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("the name that became free is not taken: %q, want %q", got, want)
	}
	_, words = toHost(t, l)
	l.Account.Expect(2, "already running as process", append(words, "--name", destination)...) // who names it means it
}

// A tunnel that was put down in a process with others can run elsewhere, and nothing starts it where it was.
func TestNameOfAStoppedTunnelIsFree(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	shared := l.Up(2, "one", "two")
	config := l.Account.Path("config")
	l.Account.Expect(2, fmt.Sprintf("one: already running as process %d\ntunneld: hint: .tunneld status one. shows it, .tunneld down one. stops it; --name NAME runs another one beside it\n", shared.Pid()),
		"up", "-F", config, "one")
	l.Account.Expect(2, "stops it; without it the others can start\n", "up", "-F", config, "one", "three", "-D", lab.Loopback(lab.FreePort(t)))
	l.Account.Expect(0, "one: stopped", "down", "one")
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	shared.Signal(syscall.SIGHUP)
	if names := l.Account.Names(); !slices.Equal(names, []string{"two"}) {
		t.Fatalf("%q run after a reload, want two alone", names)
	}
	alone := l.Up(1, "one")
	lab.Check(t, one.Works(lab.Patience))
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	l.Account.Expect(0, "one: stopped", "down", "one")
	alone.WaitExit(t, lab.Patience)
	l.Account.Expect(0, "two: reloaded", "reload", "two")
	if names := l.Account.Names(); !slices.Equal(names, []string{"two"}) {
		t.Errorf("%q run, want two alone", names)
	}
	lab.Check(t, other.Works(lab.Patience))
}

// The hints about a name that is taken lead to where they say.
func TestNameOfAFailedTunnel(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	known, err := os.ReadFile(l.Account.Path("known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	l.Account.Forget()
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+targetOf(one))
	l.Account.Host("two", l.Relay.Port, "UserKnownHostsFile "+l.Account.Path("later"), "LocalForward "+other.Address+" "+targetOf(other))
	shared := l.Up(1, "one", "two")
	lab.Eventually(t, lab.Patience, "two has failed", func() bool { return l.Account.Status("two").Tunnels[0].State == "failed" })
	text := l.Account.Expect(2, fmt.Sprintf("two: belongs to process %d, where it has failed\n", shared.Pid()), "up", "-F", l.Account.Path("config"), "two")
	if !strings.Contains(text, "`tunneld reload two` tries it again there, `tunneld down two` gives it up") {
		t.Errorf("it says\n%s", text)
	}
	l.Account.Expect(0, "two: stopped", "down", "two")
	lab.WriteFile(t, l.Account.Path("later"), string(known))
	l.Up(1, "two")
	lab.Check(t, other.Works(lab.Patience))
}
