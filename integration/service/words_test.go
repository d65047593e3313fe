package service

import (
	"os"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// What people read when they have made a mistake, or when something has changed.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		arrange func(t *testing.T, l *lab.Lab) []string // the command
		code    int
		says    string
	}{
		{"a destination without up", func(t *testing.T, l *lab.Lab) []string { return []string{"bob@web"} }, 2, `did you mean: tunneld up bob@web\n`},
		{"another host key", func(t *testing.T, l *lab.Lab) []string {
			l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
			return []string{"check", lab.Alias, "-F", l.Account.Path("config"), "-D", lab.Loopback(lab.FreePort(t))}
		}, 3, `hint: someone may be intercepting the connection`},
		{"a key that others can read", func(t *testing.T, l *lab.Lab) []string {
			lab.Check(t, os.Chmod(l.Account.Path("id_ed25519"), 0o644))
			return []string{"check", lab.Alias, "-F", l.Account.Path("config"), "-D", lab.Loopback(lab.FreePort(t))}
		}, 3, `make it readable by you only: chmod 600 `},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			l.Account.Expect(c.code, c.says, c.arrange(t, l)...)
		})
	}
}

func TestStatesAreNamedForTheirReader(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	config := l.Account.Path("config")
	l.Account.Host("lazy", l.Relay.Port, "TunneldLazy 1m", "LocalForward "+lab.Loopback(lab.FreePort(t))+" localhost:1")
	l.Account.Host("away", lab.FreePort(t), "RemoteForward "+lab.Loopback(lab.FreePort(t))+" localhost:1")
	l.Account.Tunneld("up", "lazy", "away", "-F", config)
	lab.Eventually(t, lab.Patience, "both are shown", func() bool {
		text, _ := l.Account.Ask("status")
		return strings.Contains(text, "waiting for the first client") && strings.Contains(text, "requesting")
	})
}

// A key that is accepted is said to be kept where people know to look.
func TestAddedHostKeyIsNamed(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	lab.WriteFile(t, l.Account.Path("known_hosts"), "")
	c := l.Account.Tunneld("up", lab.Alias, "-F", l.Account.Path("config"), "-o", "StrictHostKeyChecking=accept-new", "-D", lab.Loopback(lab.FreePort(t)), "--log-format", "json")
	c.WaitLine(t, 0, lab.Patience, "the key", lab.Said("host key added to known_hosts"))
}
