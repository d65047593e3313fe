package recovery

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// A server that refused a key now and then has trouble of its own: once the tunnel has been up, it is asked again, at the
// longest wait.
func TestAuthenticationThatFailsNowAndThen(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, "-o", "TunneldBackoffMax=3")
	for round := range 2 {
		keys, err := os.ReadFile(l.Server.Path("authorized_keys"))
		if err != nil {
			t.Fatal(err)
		}
		lab.WriteFile(t, l.Server.Path("authorized_keys"), "")
		from := c.Mark()
		l.Relay.Cut()
		held := r.Connect(t)
		for attempt := range 2 {
			refused := c.WaitLine(t, from, lab.Patience, "refused", lab.IsFailed)
			if wait := waitIn(refused); refused.Field("phase") != "authentication" || wait < time.Second || wait > 3*time.Second {
				t.Errorf("round %d: phase %q, next attempt in %v: want 1 to 3 s (TunneldBackoffMax)", round, refused.Field("phase"), wait)
			}
			first := round == 0 && attempt == 0 // a hint is given once for a cause
			if !strings.Contains(refused.Field("err"), "publickey") || (refused.Field("hint") != "") != first {
				t.Errorf("round %d: the log does not say what to do: %s", round, refused.Text)
			}
			from = c.Mark()
		}
		lab.WriteFile(t, l.Server.Path("authorized_keys"), string(keys))
		lab.Check(t, lab.Exchange(held, "held since the server refused us", lab.Patience))
	}
}

// A key that was replaced, in its file and at the server, is the one that opens the next connection.
func TestKeyFileThatIsReplaced(t *testing.T) {
	for name, encrypted := range map[string]bool{"plain": false, "with the same passphrase": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			lines := []string{}
			if encrypted {
				l.Account.Encrypt()
				lab.WriteFile(t, l.Account.Path("passphrase"), lab.Secret+"\n")
				lines = append(lines, "TunneldPassphraseFile "+l.Account.Path("passphrase"))
			}
			l.Options(lines...)
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
			for range 2 {
				fresh := lab.WriteKey(t, l.Account.Path("id_ed25519"))
				if encrypted {
					l.Account.Encrypt()
				}
				lab.WriteFile(t, l.Server.Path("authorized_keys"), string(ssh.MarshalAuthorizedKey(fresh)))
				from := c.Mark()
				l.Relay.Cut()
				lab.WaitUp(t, c, from)
				lab.Check(t, r.Works(lab.Patience))
			}
			if failed := c.Matching(lab.IsFailed); len(failed) > 0 {
				t.Errorf("an attempt failed: %s", failed[0].Text)
			}
		})
	}
}
