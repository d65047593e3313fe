package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A server that refused a key now and then has trouble of its own: once the tunnel has been up, it is asked again, at the
// longest wait.
func TestAuthenticationThatFailsNowAndThen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, "-o", "TunneldBackoffMax=3")
	for round := range 2 {
		keys, err := os.ReadFile(l.server.path("authorized_keys"))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, l.server.path("authorized_keys"), "")
		from := c.mark()
		l.relay.cut()
		held := r.connect(t)
		for range 2 {
			refused := c.waitLine(t, from, patience, "refused", isFailed)
			if wait := waitIn(refused); refused.field("phase") != "authentication" || wait < time.Second || wait > 3*time.Second {
				t.Errorf("round %d: phase %q, next attempt in %v: want 1 to 3 s (TunneldBackoffMax)", round, refused.field("phase"), wait)
			}
			if !strings.Contains(refused.field("err"), "publickey") || refused.field("hint") == "" {
				t.Errorf("round %d: the log does not say what to do: %s", round, refused.text)
			}
			from = c.mark()
		}
		writeFile(t, l.server.path("authorized_keys"), string(keys))
		check(t, exchange(held, "held since the server refused us", patience))
	}
}

// A key that was replaced, in its file and at the server, is the one that opens the next connection.
func TestKeyFileThatIsReplaced(t *testing.T) {
	for name, encrypted := range map[string]bool{"plain": false, "with the same passphrase": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			lines := []string{}
			if encrypted {
				l.account.encrypt()
				writeFile(t, l.account.path("passphrase"), secret+"\n")
				lines = append(lines, "TunneldPassphraseFile "+l.account.path("passphrase"))
			}
			l.options(lines...)
			r := localRoute(t, startTarget(t, echo).address())
			c := l.open(tunneld, []route{r}, hasty...)
			for range 2 {
				fresh := writeKey(t, l.account.path("id_ed25519"))
				if encrypted {
					l.account.encrypt()
				}
				writeFile(t, l.server.path("authorized_keys"), string(ssh.MarshalAuthorizedKey(fresh)))
				from := c.mark()
				l.relay.cut()
				waitUp(t, c, from)
				check(t, r.works(patience))
			}
			if failed := c.matching(isFailed); len(failed) > 0 {
				t.Errorf("an attempt failed: %s", failed[0].text)
			}
		})
	}
}
