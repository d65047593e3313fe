package sshconfig

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// The built program and ssh before the same server, each with a copy of the same known_hosts: both go in or both stay out,
// and both leave the same file behind. The finer points are compared in package tunnel, for hundreds of files.
func TestHostKeysAsSSH(t *testing.T) {
	lab.Need(t, "ssh")
	server := lab.StartSSHD(t)
	person := lab.NewAccount(t)
	server.Authorize(person.Key)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(server.HostKey)))
	other := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(lab.WriteKey(t, person.Path("other")))))
	name := fmt.Sprintf("[127.0.0.1]:%d", server.Port)
	revoked := person.Path("revoked")
	lab.WriteFile(t, revoked, key+"\n")

	cases := []struct {
		name    string
		lines   []string // of known_hosts
		options []string // lines of ssh_config(5)
		enters  bool
	}{
		{"known", []string{name + " " + key}, nil, true},
		{"known without port", []string{"127.0.0.1 " + key}, nil, true},
		{"pattern", []string{"[127.0.*]:* " + key}, nil, true},
		{"hashed", []string{hashedName(name) + " " + key}, nil, true},
		{"negated", []string{"*,!127.0.0.1,!" + name + " " + key}, nil, false},
		{"garbage around", []string{"garbage", name + " ssh-new AAAA", name + " " + key + "\r"}, nil, true},
		{"alias", []string{"alias " + key}, []string{"HostKeyAlias Alias"}, true},
		{"unknown", nil, nil, false},
		{"unknown, nobody to ask", nil, []string{"StrictHostKeyChecking ask", "BatchMode yes"}, false},
		{"accept-new", []string{"# mine"}, []string{"StrictHostKeyChecking accept-new"}, true},
		{"no", []string{"other " + key}, []string{"StrictHostKeyChecking no"}, true},
		{"nowhere to write", nil, []string{"StrictHostKeyChecking no", "UserKnownHostsFile none"}, false},
		{"to be forgotten", nil, []string{"StrictHostKeyChecking no", "UserKnownHostsFile /dev/null"}, true},
		{"changed", []string{name + " " + other}, []string{"StrictHostKeyChecking accept-new"}, false},
		{"revoked", []string{name + " " + key, "@revoked * " + key}, nil, false},
		{"revoked by a list", []string{name + " " + key}, []string{"RevokedHostKeys " + revoked}, false},
		{"by a command", nil, []string{fmt.Sprintf("KnownHostsCommand /bin/echo %%H %s", key)}, true},
		{"by a failing command", []string{name + " " + key}, []string{"KnownHostsCommand /bin/false"}, false},
		{"algorithm not there", []string{name + " " + key}, []string{"HostKeyAlgorithms ssh-rsa"}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			arrange := func() {
				person.Forget()
				person.Host(lab.Alias, server.Port, append(c.options, "UpdateHostKeys no", "HashKnownHosts no")...)
				lab.WriteFile(t, person.Path("known_hosts"), strings.Join(append(c.lines, ""), "\n"))
			}
			arrange()
			p := person.Tunneld("up", lab.Alias, "-F", person.Path("config"), "--log-format", "json", "-L", lab.Loopback(lab.FreePort(t))+":127.0.0.1:1")
			lab.Eventually(t, lab.Patience, "the tunnel is up or refused", func() bool {
				return len(p.Matching(lab.IsUp)) > 0 || len(p.Matching(lab.IsFailed)) > 0 || !p.Running()
			})
			ours, left := len(p.Matching(lab.IsUp)) > 0, readText(t, person.Path("known_hosts"))
			p.Kill()
			arrange()
			q := person.Run(lab.OpenSSH, []string{"ssh", "-T", "-n", "-F", person.Path("config"), lab.Alias, "true"})
			theirs, theirLeft := q.WaitExit(t, lab.Patience) == 0, readText(t, person.Path("known_hosts"))
			if ours != theirs || ours != c.enters {
				t.Errorf("tunneld enters: %v, ssh: %v, want %v; tunneld says\n%s\nssh says\n%s", ours, theirs, c.enters, p.Text(), q.Text())
			}
			if left != theirLeft {
				t.Errorf("tunneld left\n%s\nssh left\n%s", left, theirLeft)
			}
		})
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// hashedName returns a name as HashKnownHosts writes it.
func hashedName(name string) string {
	salt := []byte("a salt of 20 bytes..")
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// With a changed key, ssh under StrictHostKeyChecking no goes in without its forwards. There is no such tunnel.
func TestChangedHostKeyNeverCarries(t *testing.T) {
	l := lab.New(t, "StrictHostKeyChecking no")
	l.Account.Trust(l.Relay.Address(), lab.WriteKey(t, l.Account.Path("other")))
	p := l.Account.Tunneld(append([]string{"up", "-F", l.Account.Path("config")}, lab.Forwarded(t)...)...)
	if code := p.WaitExit(t, lab.Patience); code != 3 {
		t.Errorf("exit code %d", code)
	}
	lab.TwoLines(t, p.Text(), "ssh-keygen -R")
}

// The server's other keys are learned while the tunnel is up, so that it can change to one of them.
func TestHostKeysAreLearned(t *testing.T) {
	l := lab.New(t, "UpdateHostKeys yes", "HashKnownHosts no")
	l.Server.Kill()
	first := lab.WriteKey(t, l.Server.Path("first_key")) // written first, it is the one that clients see
	l.Account.Trust(l.Relay.Address(), first)
	l.Server.Configure("HostKey " + l.Server.Path("first_key"))
	l.Server.Start()
	p := l.Account.Tunneld(append([]string{"up", "-F", l.Account.Path("config"), "--log-format", "json", "--log-level", "debug"}, lab.Forwarded(t)...)...)
	lab.WaitUp(t, p, 0)
	want := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(l.Server.HostKey)))
	lab.Eventually(t, lab.Patience, "the second key is learned", func() bool {
		text, _ := os.ReadFile(l.Account.Path("known_hosts"))
		return strings.Contains(string(text), fmt.Sprintf("[127.0.0.1]:%d %s", l.Relay.Port, want))
	})
	fingerprint := ssh.FingerprintSHA256(l.Server.HostKey)
	p.WaitLine(t, 0, lab.Patience, "what was learned", func(line lab.Line) bool {
		return line.Field("msg") == "learned another host key of the server" && strings.Contains(line.Field("new"), fingerprint)
	})
	l.Account.Expect(0, "reconnected", "reconnect", lab.Alias) // to a server that has no news
	l.Account.Expect(0, "reconnected", "reconnect", lab.Alias)
	if told := p.Matching(func(line lab.Line) bool { return strings.HasPrefix(line.Field("msg"), "learned ") }); len(told) != 1 {
		t.Errorf("told %d times, want once", len(told))
	}
}
