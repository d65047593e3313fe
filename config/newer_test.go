package config

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestChannelTimeout(t *testing.T) {
	p := newPerson(t)
	p.user("ChannelTimeout session=5m direct-*=0.5s global=1h30m x=0\n")
	want := []ChannelTimeout{{"session", 5 * time.Minute}, {"direct-*", 500 * time.Millisecond}, {"global", 90 * time.Minute}, {"x", 0}}
	equal(t, "rules", fmt.Sprint(p.mustResolve("a").ChannelTimeout), fmt.Sprint(want))
	for _, text := range []string{"session", "=5", "x=", "x=-1", "x=1e9999", "x=NaN", "x=5ss", "x=.5m", "none x=5"} {
		p.user("ChannelTimeout " + text + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	p.user("ChannelTimeout none\n")
	equal(t, "rules", len(p.mustResolve("a").ChannelTimeout), 0)
}

func TestUserIsExpanded(t *testing.T) {
	p := newPerson(t)
	for text, want := range map[string]string{"User %h-%u": "a-me", "User ${SET}": "value", "User a;b": "a;b", "HostName real\nUser %h": "real"} {
		p.user(text + "\n")
		equal(t, text, p.mustResolve("a").User, want)
	}
	p.user("User %h\n")
	equal(t, "typed", p.mustResolve("%n@a").User, "%n")
	for _, text := range []string{"User %r", "User %C", "User \"x;%h\"", "User ${NOT_SET}"} {
		p.user(text + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestNewerValuesAreExpanded(t *testing.T) {
	p := newPerson(t)
	p.user("VersionAddendum for %h\nRevokedHostKeys ~/x /%n\nSetEnv A=%h B=${SET}\nWarnWeakCrypto no-pq-kex\n")
	o := p.mustResolve("a")
	equal(t, "version", o.VersionAddendum, "for a")
	equal(t, "revoked", strings.Join(o.RevokedHostKeys, " "), p.environment.Home+"/x /a")
	equal(t, "variables", strings.Join(o.Session.SetEnv, " "), "A=a B=value")
	equal(t, "weak", o.WarnWeakCrypto, WeakQuiet)
	p.user("VersionAddendum none\nRevokedHostKeys none\n")
	o = p.mustResolve("a")
	equal(t, "version", o.VersionAddendum, "")
	equal(t, "revoked", len(o.RevokedHostKeys), 0)
	equal(t, "weak", o.WarnWeakCrypto, WeakUnset)
	p.user("VersionAddendum a\x01b\n")
	if _, err := p.resolve("a"); err == nil {
		t.Error("a version with a control character is accepted")
	}
}

// What a session runs is what "Match command" and "Match sessiontype" look at; a tunnel runs nothing.
func TestMatchOfASession(t *testing.T) {
	p := newPerson(t)
	p.user("Match sessiontype exec command \"ls *\"\n Port 1\nMatch sessiontype shell\n Port 2\nMatch sessiontype none\n Port 3\n")
	for _, c := range []struct {
		session bool
		command string
		port    int
	}{{true, "ls -l", 1}, {true, "", 2}, {false, "", 3}} {
		o, err := Resolve(context.Background(), Request{Destination: "a", Environment: p.environment, Session: c.session, Command: c.command})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "port", o.Port, c.port)
	}
}

func TestSecurityKeyProvider(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "internal",
		"SecurityKeyProvider none":      "",
		"SecurityKeyProvider /lib/x.so": "/lib/x.so",
		"SecurityKeyProvider $SET":      "value",
		"SecurityKeyProvider $NOT_SET":  "",
		"SecurityKeyProvider $":         "$",
		"SecurityKeyProvider ${SET}":    "", // no such variable: ssh knows no braces here
		"SecurityKeyProvider ~/%h":      "~/%h",
	} {
		p := newPerson(t)
		p.variables["SSH_SK_HELPER"] = "/helper"
		p.user(text + "\n")
		o := p.mustResolve("a")
		equal(t, text, o.SecurityKeyProvider, want)
		equal(t, "helper", o.SecurityKeyHelper, "/helper")
		equal(t, "warnings", len(o.Warnings), 0)
	}
}
