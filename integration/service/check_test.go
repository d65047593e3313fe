package service

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

func TestCheckGoesStepByStep(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	words := []string{"check", lab.Alias, "-F", l.Account.Path("config")}
	for _, r := range ways {
		words = append(words, r.Flags...)
	}
	steps := []string{"config", "dns", "tcp", "key exchange", "host key", "authentication", "forward L", "forward R", "forward D", "keepalive", "echo"}
	text := l.Account.Expect(0, "", words...)
	for _, step := range steps {
		if !regexp.MustCompile(`(?m)^ok    ` + step + ` +[0-9.]+ ms`).MatchString(text) {
			t.Errorf("no good step %q with its time in\n%s", step, text)
		}
	}
	if l.Relay.Count() != 1 {
		t.Errorf("%d connections to the server, want 1", l.Relay.Count())
	}
	for _, r := range ways {
		if !lab.Within(lab.Patience, func() bool { return !lab.Accepts(r.Address) }) {
			t.Errorf("%s is still open after the check", r.Name)
		}
	}
}

func TestCheckLeavesARunningTunnelAlone(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	var flags []string
	for _, r := range ways {
		flags = append(flags, r.Flags...)
	}
	c := l.Open(lab.Tunneld, ways)
	open := ways[0].Connect(t)
	text := l.Account.Expect(0, "", append([]string{"check", lab.Alias, "-F", l.Account.Path("config")}, flags...)...)
	if n := strings.Count(text, fmt.Sprintf("held by the running tunneld (process %d)", c.Pid())); n != 3 {
		t.Errorf("%d forwards are said to be held, want 3:\n%s", n, text)
	}
	lab.Check(t, lab.Exchange(open, "undisturbed", lab.Patience))
	for _, r := range ways {
		lab.Check(t, r.Works(lab.Patience))
	}
}

func TestCheckSaysWhereItFails(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(t *testing.T, l *lab.Lab) []string
		code    int
		step    string
	}{
		{"bad configuration", func(t *testing.T, l *lab.Lab) []string { return []string{"-o", "Port=none"} }, 2, "config"},
		{"no such name", func(t *testing.T, l *lab.Lab) []string { return []string{"-o", "HostName=nowhere.invalid"} }, 1, "dns"},
		{"nobody there", func(t *testing.T, l *lab.Lab) []string { l.Relay.Shut(); return nil }, 1, "tcp"},
		{"mute", func(t *testing.T, l *lab.Lab) []string {
			l.Relay.SetMute(true)
			return []string{"-o", "ConnectTimeout=1"}
		}, 1, "key exchange"},
		{"no common algorithm", func(t *testing.T, l *lab.Lab) []string {
			l.Server.Kill()
			l.Server.Configure("Ciphers aes128-ctr")
			l.Server.Start()
			return []string{"-c", "aes256-ctr"}
		}, 3, "key exchange"},
		{"changed host key", func(t *testing.T, l *lab.Lab) []string {
			l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
			return nil
		}, 3, "host key"},
		{"refused key", func(t *testing.T, l *lab.Lab) []string {
			lab.WriteFile(t, l.Server.Path("authorized_keys"), "")
			return nil
		}, 3, "authentication"},
		{"local port in use", func(t *testing.T, l *lab.Lab) []string {
			return []string{"-L", lab.StartTarget(t, lab.Echo).Address() + ":127.0.0.1:1"}
		}, 2, "forward L"},
		{"remote port in use", func(t *testing.T, l *lab.Lab) []string {
			return []string{"-R", lab.StartTarget(t, lab.Echo).Address() + ":127.0.0.1:1"}
		}, 1, "forward R"},
		{"remote forwards forbidden", func(t *testing.T, l *lab.Lab) []string {
			lab.WriteFile(t, l.Server.Path("authorized_keys"), "no-port-forwarding "+string(ssh.MarshalAuthorizedKey(l.Account.Key)))
			return []string{"-R", lab.Loopback(lab.FreePort(t)) + ":127.0.0.1:1"}
		}, 1, "forward R"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			words := append([]string{"check", lab.Alias, "-F", l.Account.Path("config"), "-L", lab.Loopback(lab.FreePort(t)) + ":127.0.0.1:1"}, c.arrange(t, l)...)
			l.Account.Binary() // built before the clock runs
			started := time.Now()
			l.Account.Expect(c.code, `(?m)^FAIL  `+c.step+` +[0-9.]+ ms`, words...)
			if took := time.Since(started); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
