package integration

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The built program and ssh before the same server, each with a copy of the same known_hosts: both go in or both stay out,
// and both leave the same file behind. The finer points are compared in package tunnel, for hundreds of files.
func TestHostKeysAsSSH(t *testing.T) {
	need(t, "ssh")
	server := startSSHD(t)
	person := newAccount(t)
	server.authorize(person.key)
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(server.hostKey)))
	other := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(writeKey(t, person.path("other")))))
	name := fmt.Sprintf("[127.0.0.1]:%d", server.port)
	revoked := person.path("revoked")
	writeFile(t, revoked, key+"\n")

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
				person.forget()
				person.host(alias, server.port, append(c.options, "UpdateHostKeys no", "HashKnownHosts no")...)
				writeFile(t, person.path("known_hosts"), strings.Join(append(c.lines, ""), "\n"))
			}
			arrange()
			p := person.tunneld("up", alias, "-F", person.path("config"), "--log-format", "json", "-L", loopback(freePort(t))+":127.0.0.1:1")
			eventually(t, patience, "the tunnel is up or refused", func() bool {
				return len(p.matching(isUp)) > 0 || len(p.matching(isFailed)) > 0 || !p.running()
			})
			ours, left := len(p.matching(isUp)) > 0, readText(t, person.path("known_hosts"))
			p.kill()
			arrange()
			q := person.run(openSSH, []string{"ssh", "-T", "-n", "-F", person.path("config"), alias, "true"})
			theirs, theirLeft := q.waitExit(t, patience) == 0, readText(t, person.path("known_hosts"))
			if ours != theirs || ours != c.enters {
				t.Errorf("tunneld enters: %v, ssh: %v, want %v; tunneld says\n%s\nssh says\n%s", ours, theirs, c.enters, p.text(), q.text())
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

// hashedName gives a name as HashKnownHosts writes it.
func hashedName(name string) string {
	salt := []byte("a salt of 20 bytes..")
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return "|1|" + base64.StdEncoding.EncodeToString(salt) + "|" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// With a changed key, ssh under StrictHostKeyChecking no goes in without its forwards. There is no such tunnel.
func TestChangedHostKeyNeverCarries(t *testing.T) {
	l := newLab(t, "StrictHostKeyChecking no")
	l.account.trust(l.relay.address(), writeKey(t, l.account.path("other")))
	p := l.account.tunneld(append([]string{"up", "-F", l.account.path("config")}, forwarded(t)...)...)
	if code := p.waitExit(t, patience); code != 3 {
		t.Errorf("exit code %d", code)
	}
	twoLines(t, p.text(), "ssh-keygen -R")
}

// The server's other keys are learned while the tunnel is up, so that it can change to one of them.
func TestHostKeysAreLearned(t *testing.T) {
	l := newLab(t, "UpdateHostKeys yes", "HashKnownHosts no")
	l.server.kill()
	first := writeKey(t, l.server.path("first_key")) // written first, it is the one that clients see
	l.account.trust(l.relay.address(), first)
	l.server.configure("HostKey " + l.server.path("first_key"))
	l.server.start()
	p := l.account.tunneld(append([]string{"up", "-F", l.account.path("config"), "--log-format", "json", "--log-level", "debug"}, forwarded(t)...)...)
	waitUp(t, p, 0)
	want := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(l.server.hostKey)))
	eventually(t, patience, "the second key is learned", func() bool {
		text, _ := os.ReadFile(l.account.path("known_hosts"))
		return strings.Contains(string(text), fmt.Sprintf("[127.0.0.1]:%d %s", l.relay.port, want))
	})
}
