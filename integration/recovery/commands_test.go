package recovery

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

// lines returns the lines of a file, none where there is no file.
func lines(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Fields(string(text))
}

// A certificate is fetched before each login: the server takes nothing else, and no certificate for long.
func TestBeforeConnectFetchesACertificate(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh-keygen")
	l := lab.New(t)
	a := l.Account
	lab.WriteKey(t, a.Path("authority"))
	l.Server.Kill()
	l.Server.Configure("TrustedUserCAKeys " + a.Path("authority.pub"))
	lab.WriteFile(t, l.Server.Path("authorized_keys"), "")
	l.Server.Start()
	runs, broken := a.Path("runs"), a.Path("broken")
	l.Options(fmt.Sprintf("TunneldBeforeConnect echo \"$TUNNELD_EVENT,$TUNNELD_NAME,$TUNNELD_HOST,$TUNNELD_PORT,$TUNNELD_USER,%%n,%%p\" >> %s; "+
		"if test -e %s; then echo no vault >&2; exit 3; fi; rm -f %s; ssh-keygen -q -s %s -I bob -n %%r -V -1m:+1h %s",
		runs, broken, a.Path("id_ed25519-cert.pub"), a.Path("authority"), a.Path("id_ed25519.pub")))
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	port := strconv.Itoa(l.Relay.Port)
	want := strings.Join([]string{"before-connect", lab.Alias, "127.0.0.1", port, a.User, lab.Alias, port}, ",")
	if got := lines(runs); len(got) != 1 || got[0] != want {
		t.Errorf("it ran as %q, want once %s", got, want)
	}
	lab.WriteFile(t, broken, "")
	from := c.Mark()
	l.Relay.Cut()
	failed := c.WaitLine(t, from, lab.Patience, "an attempt has failed", lab.IsFailed)
	if err := failed.Field("err"); !strings.Contains(err, "TunneldBeforeConnect ended (exit status 3): no vault") || failed.Field("hint") == "" {
		t.Errorf("it says %q, hint %q", err, failed.Field("hint"))
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	lab.WaitUp(t, c, from)
	lab.Check(t, r.Works(lab.Patience))
	a.Expect(0, `ok    before connect `, "check", "-F", a.Path("config"), lab.Alias, "-D", lab.Loopback(lab.FreePort(t)))
}

// Each hop has a command of its own, and connections side by side wait for one run.
func TestBeforeConnectOfEachHop(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	runs := l.Account.Path("runs")
	l.Account.Host("jump", l.Relay.Port, "TunneldBeforeConnect echo %n >> "+runs)
	l.Account.Host("inner", l.Server.Port, "ProxyJump jump", "TunneldBeforeConnect echo %n >> "+runs)
	l.Account.Trust(l.Server.Address(), l.Server.HostKey)
	c := l.Account.Tunneld("up", "inner", "-F", l.Account.Path("config"), "-D", lab.Loopback(lab.FreePort(t)), "--log-format", "json")
	lab.WaitUp(t, c, 0)
	if got := lines(runs); !slices.Equal(got, []string{"inner", "jump"}) {
		t.Errorf("it ran for %q", got)
	}
}

// The commands run in the order of what happened, a planned replacement is nothing that happened, and no connection waits for a
// command that takes its time. What it leaves behind is gone, and the end of the tunnel is told, too.
func TestOnUpAndOnDown(t *testing.T) {
	for name, start := range map[string]func(l *lab.Lab, flags []string) *lab.Child{
		"up": func(l *lab.Lab, flags []string) *lab.Child { return l.Start(lab.Tunneld, flags...) },
		"autossh": func(l *lab.Lab, flags []string) *lab.Child {
			return l.Account.Tunneld(append([]string{"autossh", "-M", "0", "-N", "-F", l.Account.Path("config"), lab.Alias}, flags...)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			a := l.Account
			events, slow, left := a.Path("events"), a.Path("slow"), a.Path("left")
			l.Options(
				fmt.Sprintf("TunneldOnUp echo $TUNNELD_EVENT-$TUNNELD_STATE >> %s; sleep 1000 & echo $! >> %s", events, left),
				fmt.Sprintf("TunneldOnDown echo $TUNNELD_EVENT >> %s; while test -e %s; do sleep 0.05; done; echo over >> %s", events, slow, events),
			)
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := start(l, append(r.Flags, lab.Hasty...))
			happened := func(want ...string) {
				t.Helper()
				lab.Eventually(t, lab.Patience, fmt.Sprintf("%q", want), func() bool { return slices.Equal(lines(events), want) })
			}
			lab.Eventually(t, lab.Patience, "carried", func() bool { return r.Works(lab.Patience) == nil })
			happened("up-up")
			lab.Eventually(t, lab.Patience, "nothing is left behind", func() bool {
				pids := lines(left)
				if len(pids) == 0 {
					return false
				}
				pid, err := strconv.Atoi(pids[0])
				return err == nil && !lab.Lives(pid)
			})
			a.Expect(0, "", "reconnect", "*")
			lab.WriteFile(t, slow, "")
			l.Relay.Cut()
			lab.Eventually(t, lab.Patience, "carried while the command runs", func() bool { return r.Works(lab.Patience) == nil })
			happened("up-up", "down")
			if err := os.Remove(slow); err != nil {
				t.Fatal(err)
			}
			happened("up-up", "down", "over", "up-up")
			c.Signal(syscall.SIGTERM)
			c.WaitExit(t, 2*lab.Patience)
			happened("up-up", "down", "over", "up-up", "down", "over")
		})
	}
}

// A command that hangs does not outlive a process that is told twice to stop.
func TestOnDownThatHangsIsKilledByTheSecondSignal(t *testing.T) {
	for name, words := range map[string][]string{"up": {"up"}, "autossh": {"autossh", "-M", "0", "-N"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			pids := l.Account.Path("pids")
			l.Options(fmt.Sprintf("TunneldOnDown sleep 1000 & echo $! >> %s; wait", pids))
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Account.Tunneld(slices.Concat(words, []string{"-F", l.Account.Path("config"), lab.Alias}, r.Flags)...)
			lab.Eventually(t, lab.Patience, "carried", func() bool { return r.Works(lab.Patience) == nil })
			c.Signal(syscall.SIGTERM)
			lab.Eventually(t, lab.Patience, "the command runs", func() bool { return len(lines(pids)) == 1 })
			lab.Eventually(t, lab.Patience, "ended", func() bool {
				c.Signal(syscall.SIGINT) // two that come together are one
				return !c.Running()
			})
			pid, err := strconv.Atoi(lines(pids)[0])
			lab.Check(t, err)
			lab.Eventually(t, lab.Patience, "the command is gone", func() bool { return !lab.Lives(pid) })
		})
	}
}
