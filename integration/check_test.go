package integration

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestCheckGoesStepByStep(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ways := routes(t, startTarget(t, echo).address())
	words := []string{"check", alias, "-F", l.account.path("config")}
	for _, r := range ways {
		words = append(words, r.flags...)
	}
	steps := []string{"config", "dns", "tcp", "key exchange", "host key", "authentication", "forward L", "forward R", "forward D", "keepalive", "echo"}
	text := l.account.expect(0, "", words...)
	for _, step := range steps {
		if !regexp.MustCompile(`(?m)^ok    ` + step + ` +[0-9.]+ ms`).MatchString(text) {
			t.Errorf("no good step %q with its time in\n%s", step, text)
		}
	}
	if l.relay.count() != 1 {
		t.Errorf("%d connections to the server, want 1", l.relay.count())
	}
	for _, r := range ways {
		if !within(patience, func() bool { return !accepts(r.address) }) {
			t.Errorf("%s is still open after the check", r.name)
		}
	}
}

func TestCheckLeavesARunningTunnelAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ways := routes(t, startTarget(t, echo).address())
	var flags []string
	for _, r := range ways {
		flags = append(flags, r.flags...)
	}
	c := l.open(tunneld, ways)
	open := ways[0].connect(t)
	text := l.account.expect(0, "", append([]string{"check", alias, "-F", l.account.path("config")}, flags...)...)
	if n := strings.Count(text, fmt.Sprintf("held by the running tunneld (process %d)", c.pid())); n != 3 {
		t.Errorf("%d forwards are said to be held, want 3:\n%s", n, text)
	}
	check(t, exchange(open, "undisturbed", patience))
	for _, r := range ways {
		check(t, r.works(patience))
	}
}

func TestCheckSaysWhereItFails(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(t *testing.T, l *lab) []string
		code    int
		step    string
	}{
		{"bad configuration", func(t *testing.T, l *lab) []string { return []string{"-o", "Port=none"} }, 2, "config"},
		{"no such name", func(t *testing.T, l *lab) []string { return []string{"-o", "HostName=nowhere.invalid"} }, 1, "dns"},
		{"nobody there", func(t *testing.T, l *lab) []string { l.relay.shut(); return nil }, 1, "tcp"},
		{"mute", func(t *testing.T, l *lab) []string {
			l.relay.setMute(true)
			return []string{"-o", "ConnectTimeout=1"}
		}, 1, "key exchange"},
		{"no common algorithm", func(t *testing.T, l *lab) []string {
			l.server.kill()
			l.server.configure("Ciphers aes128-ctr")
			l.server.start()
			return []string{"-c", "aes256-ctr"}
		}, 3, "key exchange"},
		{"changed host key", func(t *testing.T, l *lab) []string {
			l.account.trust(l.relay.address(), writeKey(t, l.account.path("other")))
			return nil
		}, 3, "host key"},
		{"refused key", func(t *testing.T, l *lab) []string {
			writeFile(t, l.server.path("authorized_keys"), "")
			return nil
		}, 3, "authentication"},
		{"local port in use", func(t *testing.T, l *lab) []string {
			return []string{"-L", startTarget(t, echo).address() + ":127.0.0.1:1"}
		}, 2, "forward L"},
		{"remote port in use", func(t *testing.T, l *lab) []string {
			return []string{"-R", startTarget(t, echo).address() + ":127.0.0.1:1"}
		}, 1, "forward R"},
		{"remote forwards forbidden", func(t *testing.T, l *lab) []string {
			writeFile(t, l.server.path("authorized_keys"), "no-port-forwarding "+string(ssh.MarshalAuthorizedKey(l.account.key)))
			return []string{"-R", loopback(freePort(t)) + ":127.0.0.1:1"}
		}, 1, "forward R"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			words := append([]string{"check", alias, "-F", l.account.path("config"), "-L", loopback(freePort(t)) + ":127.0.0.1:1"}, c.arrange(t, l)...)
			l.account.binary() // built before the clock runs
			started := time.Now()
			l.account.expect(c.code, `(?m)^FAIL  `+c.step+` +[0-9.]+ ms`, words...)
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
