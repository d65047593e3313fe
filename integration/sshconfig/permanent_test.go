package sshconfig

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// What only a person can mend ends the program at once: with its exit code, after one attempt at the most, and with two
// lines that say what is wrong and what to do about it.
func TestPermanentFailuresEndAtOnce(t *testing.T) {
	cases := []struct {
		name     string
		arrange  func(t *testing.T, l *lab.Lab) []string // returns the words after "up"
		code     int
		attempts int // connections to the server
		says     string
		plain    bool // the error names the place and what is allowed there: no advice is needed
	}{
		{"changed host key", func(t *testing.T, l *lab.Lab) []string {
			l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
			return lab.Forwarded(t)
		}, 3, 1, `known_hosts:1`, false},
		{"unknown host key", func(t *testing.T, l *lab.Lab) []string {
			l.Account.Trust(l.Relay.Address())
			return lab.Forwarded(t)
		}, 3, 1, `host key`, false},
		{"unknown host key, nobody to ask", func(t *testing.T, l *lab.Lab) []string {
			l.Account.Trust(l.Relay.Address())
			return append(lab.Forwarded(t), "-o", "StrictHostKeyChecking=ask")
		}, 3, 1, `host key`, false},
		{"revoked host key", func(t *testing.T, l *lab.Lab) []string {
			lab.WriteFile(t, l.Account.Path("known_hosts"), fmt.Sprintf("@revoked * %s", ssh.MarshalAuthorizedKey(l.Server.HostKey)))
			return lab.Forwarded(t)
		}, 3, 1, `revoked`, false},
		{"refused key", func(t *testing.T, l *lab.Lab) []string {
			lab.WriteFile(t, l.Server.Path("authorized_keys"), "")
			return lab.Forwarded(t)
		}, 3, 1, `publickey`, false},
		{"missing key", func(t *testing.T, l *lab.Lab) []string {
			os.Remove(l.Account.Path("id_ed25519"))
			return lab.Forwarded(t)
		}, 3, 1, `id_ed25519`, false},
		{"keys not preferred", func(t *testing.T, l *lab.Lab) []string {
			return append(lab.Forwarded(t), "-o", "PreferredAuthentications=password")
		}, 3, 1, `refused login;.*PreferredAuthentications`, false},
		{"no common algorithm", func(t *testing.T, l *lab.Lab) []string {
			l.Server.Kill()
			l.Server.Configure("Ciphers aes128-ctr")
			l.Server.Start()
			return append(lab.Forwarded(t), "-c", "aes256-ctr")
		}, 3, 1, `aes128-ctr`, false},
		{"unknown keyword", func(t *testing.T, l *lab.Lab) []string {
			l.Options("LocalForwart 1 localhost:1")
			return lab.Forwarded(t)
		}, 2, 0, `config:2.*(?i:LocalForwart)`, false},
		{"bad value", func(t *testing.T, l *lab.Lab) []string {
			l.Options("ServerAliveInterval soon")
			return lab.Forwarded(t)
		}, 2, 0, `config:2.*soon`, true},
		{"bad value of our own", func(t *testing.T, l *lab.Lab) []string {
			return append(lab.Forwarded(t), "-o", "TunneldHold=soon")
		}, 2, 0, `soon`, true},
		{"bad forward", func(t *testing.T, l *lab.Lab) []string {
			return []string{lab.Alias, "-L", "70000:localhost:1"}
		}, 2, 0, `70000`, true},
		{"nothing to forward", func(t *testing.T, l *lab.Lab) []string {
			return []string{lab.Alias}
		}, 2, 0, `forward`, false},
		{"unknown alias", func(t *testing.T, l *lab.Lab) []string {
			return []string{"srever"}
		}, 2, 0, `srever`, false},
		{"no configuration file", func(t *testing.T, l *lab.Lab) []string {
			return append(lab.Forwarded(t), "-F", l.Account.Path("missing"))
		}, 2, 0, `missing`, true},
		{"local port in use", func(t *testing.T, l *lab.Lab) []string {
			return []string{lab.Alias, "-L", lab.StartTarget(t, lab.Echo).Address() + ":localhost:1"}
		}, 2, 0, `in use`, false},
		{"local port in use by SOCKS", func(t *testing.T, l *lab.Lab) []string {
			return []string{lab.Alias, "-D", lab.StartTarget(t, lab.Echo).Address()}
		}, 2, 0, `in use`, false},
		{"unknown flag", func(t *testing.T, l *lab.Lab) []string {
			return append(lab.Forwarded(t), "--frobnicate")
		}, 2, 0, `frobnicate`, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			words := c.arrange(t, l)
			if !strings.Contains(strings.Join(words, " "), "-F") {
				words = append(words, "-F", l.Account.Path("config"))
			}
			l.Account.Binary() // building it does not count
			started := time.Now()
			p := l.Account.Tunneld(append([]string{"up"}, words...)...)
			if code := p.WaitExit(t, lab.Patience); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			took := time.Since(started)
			limit := map[int]time.Duration{2: time.Second, 3: 10 * time.Second}[c.code]
			if lab.RaceEnabled {
				limit *= 3
			}
			if took > limit {
				t.Errorf("ended after %v, want at most %v", took, limit)
			}
			if n := l.Relay.Count(); n != c.attempts {
				t.Errorf("%d connections to the server, want %d", n, c.attempts)
			}
			text := p.Text()
			if c.plain && strings.Count(text, "\n") == 1 {
				text += "tunneld: hint: (it says so itself)"
			}
			lab.TwoLines(t, text, c.says)
		})
	}
}

// What time may mend is tried again.
func TestTransientFailuresAreTriedAgain(t *testing.T) {
	mute, err := net.Listen("tcp", lab.Loopback(lab.FreePort(t))) // completes connects and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	cases := []struct {
		name   string
		break_ func(l *lab.Lab)
		mend   func(l *lab.Lab)
	}{
		{"connection refused", func(l *lab.Lab) { l.Relay.Shut() }, func(l *lab.Lab) { l.Relay.Open() }},
		{"reset at once", func(l *lab.Lab) { l.Relay.SetRefuse(true) }, func(l *lab.Lab) { l.Relay.SetRefuse(false) }},
		{"mute before key exchange", func(l *lab.Lab) { l.Relay.SetMute(true) }, func(l *lab.Lab) { l.Relay.SetMute(false) }},
		{"frozen in key exchange", func(l *lab.Lab) { l.Relay.Freeze(lab.ToServer) }, func(l *lab.Lab) { l.Relay.Thaw() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := lab.New(t, "ConnectTimeout 1")
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c.break_(l)
			p := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
			lab.WaitFailed(t, p, 3)
			c.mend(l)
			lab.Check(t, r.Works(lab.Patience))
		})
	}
}
