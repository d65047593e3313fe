package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// What only a person can mend ends the program at once: with its exit code, after one attempt at the most, and with two
// lines that say what is wrong and what to do about it.
func TestPermanentFailuresEndAtOnce(t *testing.T) {
	cases := []struct {
		name     string
		arrange  func(t *testing.T, l *lab) []string // gives the words after "up"
		code     int
		attempts int // connections to the server
		says     string
		plain    bool // the error names the place and what is allowed there: no advice is needed
	}{
		{"changed host key", func(t *testing.T, l *lab) []string {
			l.account.trust(l.relay.address(), writeKey(t, l.account.path("other")))
			return forwarded(t)
		}, 3, 1, `known_hosts:1`, false},
		{"unknown host key", func(t *testing.T, l *lab) []string {
			l.account.trust(l.relay.address())
			return forwarded(t)
		}, 3, 1, `host key`, false},
		{"unknown host key, nobody to ask", func(t *testing.T, l *lab) []string {
			l.account.trust(l.relay.address())
			return append(forwarded(t), "-o", "StrictHostKeyChecking=ask")
		}, 3, 1, `host key`, false},
		{"revoked host key", func(t *testing.T, l *lab) []string {
			writeFile(t, l.account.path("known_hosts"), fmt.Sprintf("@revoked * %s", ssh.MarshalAuthorizedKey(l.server.hostKey)))
			return forwarded(t)
		}, 3, 1, `revoked`, false},
		{"refused key", func(t *testing.T, l *lab) []string {
			writeFile(t, l.server.path("authorized_keys"), "")
			return forwarded(t)
		}, 3, 1, `publickey`, false},
		{"missing key", func(t *testing.T, l *lab) []string {
			os.Remove(l.account.path("id_ed25519"))
			return forwarded(t)
		}, 3, 1, `id_ed25519`, false},
		{"keys not preferred", func(t *testing.T, l *lab) []string {
			return append(forwarded(t), "-o", "PreferredAuthentications=password")
		}, 3, 1, `refused login;.*PreferredAuthentications`, false},
		{"no common algorithm", func(t *testing.T, l *lab) []string {
			l.server.kill()
			l.server.configure("Ciphers aes128-ctr")
			l.server.start()
			return append(forwarded(t), "-c", "aes256-ctr")
		}, 3, 1, `aes128-ctr`, false},
		{"unknown keyword", func(t *testing.T, l *lab) []string {
			l.options("LocalForwart 1 localhost:1")
			return forwarded(t)
		}, 2, 0, `config:2.*(?i:LocalForwart)`, false},
		{"bad value", func(t *testing.T, l *lab) []string {
			l.options("ServerAliveInterval soon")
			return forwarded(t)
		}, 2, 0, `config:2.*soon`, true},
		{"bad value of our own", func(t *testing.T, l *lab) []string {
			return append(forwarded(t), "-o", "TunneldHold=soon")
		}, 2, 0, `soon`, true},
		{"bad forward", func(t *testing.T, l *lab) []string {
			return []string{alias, "-L", "70000:localhost:1"}
		}, 2, 0, `70000`, true},
		{"nothing to forward", func(t *testing.T, l *lab) []string {
			return []string{alias}
		}, 2, 0, `forward`, false},
		{"unknown alias", func(t *testing.T, l *lab) []string {
			return []string{"srever"}
		}, 2, 0, `srever`, false},
		{"no configuration file", func(t *testing.T, l *lab) []string {
			return append(forwarded(t), "-F", l.account.path("missing"))
		}, 2, 0, `missing`, true},
		{"local port in use", func(t *testing.T, l *lab) []string {
			return []string{alias, "-L", startTarget(t, echo).address() + ":localhost:1"}
		}, 2, 0, `in use`, false},
		{"local port in use by SOCKS", func(t *testing.T, l *lab) []string {
			return []string{alias, "-D", startTarget(t, echo).address()}
		}, 2, 0, `in use`, false},
		{"unknown flag", func(t *testing.T, l *lab) []string {
			return append(forwarded(t), "--frobnicate")
		}, 2, 0, `frobnicate`, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			words := c.arrange(t, l)
			if !strings.Contains(strings.Join(words, " "), "-F") {
				words = append(words, "-F", l.account.path("config"))
			}
			l.account.binary() // building it does not count
			started := time.Now()
			p := l.account.tunneld(append([]string{"up"}, words...)...)
			if code := p.waitExit(t, patience); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			took := time.Since(started)
			limit := map[int]time.Duration{2: time.Second, 3: 10 * time.Second}[c.code]
			if raceEnabled {
				limit *= 3
			}
			if took > limit {
				t.Errorf("ended after %v, want at most %v", took, limit)
			}
			if n := l.relay.count(); n != c.attempts {
				t.Errorf("%d connections to the server, want %d", n, c.attempts)
			}
			text := p.text()
			if c.plain && strings.Count(text, "\n") == 1 {
				text += "tunneld: hint: (it says so itself)"
			}
			twoLines(t, text, c.says)
		})
	}
}

// What time may mend is tried again.
func TestTransientFailuresAreTriedAgain(t *testing.T) {
	mute, err := net.Listen("tcp", loopback(freePort(t))) // completes connects and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	cases := []struct {
		name   string
		break_ func(l *lab)
		mend   func(l *lab)
	}{
		{"connection refused", func(l *lab) { l.relay.shut() }, func(l *lab) { l.relay.open() }},
		{"reset at once", func(l *lab) { l.relay.setRefuse(true) }, func(l *lab) { l.relay.setRefuse(false) }},
		{"mute before key exchange", func(l *lab) { l.relay.setMute(true) }, func(l *lab) { l.relay.setMute(false) }},
		{"frozen in key exchange", func(l *lab) { l.relay.freeze(toServer) }, func(l *lab) { l.relay.thaw() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, "ConnectTimeout 1")
			r := localRoute(t, startTarget(t, echo).address())
			c.break_(l)
			p := l.start(tunneld, append(r.flags, hasty...)...)
			waitFailed(t, p, 3)
			c.mend(l)
			check(t, r.works(patience))
		})
	}
}
