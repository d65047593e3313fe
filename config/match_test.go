package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, text, destination string
		want                    bool
	}{
		{"all", "Match all", "a", true},
		{"not all", "Match !all", "a", false},
		{"host", "Match host a,b", "a", true},
		{"host by equals sign", "Match host=a", "a", true},
		{"host, quoted", `Match host "a,b"`, "b", true},
		{"host, negated in the list", "Match host *,!a", "a", false},
		{"not host", "Match !host b", "a", true},
		{"host in capitals", "Match HOST A", "a", true},
		{"host is HostName", "HostName real\nMatch host real", "a", true},
		{"host with token", "HostName %h.x\nMatch host a.x", "a", true},
		{"originalhost", "HostName real\nMatch originalhost a", "a", true},
		{"user", "Match user me", "a", true},
		{"user of a file", "User bob\nMatch user bob", "a", true},
		{"user of the destination", "Match user bob", "bob@a", true},
		{"user is exact", "Match user ME", "a", false},
		{"localuser", "User bob\nMatch localuser me", "a", true},
		{"two criteria", "Match host a user bob", "a", false},
		{"final", "Match final all", "a", true},
		{"canonical without a second pass", "Match canonical all", "a", false},
		{"canonical in the second pass", "Match final\nMatch canonical all", "a", true},
		{"a percent sign in the second pass", "HostName %%\nMatch final host %", "a", true},
		{"exec", "Match exec true", "a", true},
		{"exec with tokens", `Match exec "test %h-%n-%p-%r-%u = a-a-22-me-me"`, "a", true},
		{"exec fails", `Match exec "exit 3"`, "a", false},
		{"not exec", "Match !exec false", "a", true},
		{"tagged", "Tag blue\nMatch tagged blue,red", "a", true},
		{"tagged, none", `Match tagged ""`, "a", true},
		{"tagged, any, and none is set", "Match tagged *", "a", false},
		{"tagged, by equals sign", "Match tagged=", "a", true},
		{"command", `Match command ""`, "a", true},
		{"not final makes no second pass", "HostName real\nMatch !final\nUser x\nMatch originalhost a\nHost real", "a", false},
		{"host by equals sign among blanks", "Match host = a", "a", true},
		{"version by equals sign", "Match VERSION=OpenSSH_*", "a", true},
		{"localnetwork of the loopback", "Match localnetwork 127.0.0.0/8", "a", true},
		{"sessiontype", "Match sessiontype none", "a", true},
		{"version", "Match version OpenSSH_10.*", "a", true},
		{"localnetwork", "Match localnetwork 203.0.113.77/32,198.51.100.77", "a", false},
		{"comment", "Match all # not this", "a", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPerson(t)
			p.user(c.text + "\n BindAddress matched\n")
			equal(t, "matched", p.mustResolve(c.destination).BindAddress == "matched", c.want)
		})
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, text := range []string{
		"Match", "Match # x", "Match host", "Match bogus x", "Match host a all b", "Match user x host a all", "Match localnetwork x",
		"Match localnetwork 10.0.0.1/8", "Match localnetwork !10.0.0.0/8", "Match sessiontype \"\"", "Match \"\" host a",
		"Match exec \"%z\"", "Match host #x",
	} {
		p := newPerson(t)
		p.user(text + "\n")
		if _, err := p.resolve("a"); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestExecRunsNothingThatItNeedNot(t *testing.T) {
	p := newPerson(t)
	touch := func(name string) string { return "\"touch " + filepath.Join(p.environment.Home, name) + "\"" }
	p.write("inactive", "Match exec "+touch("included")+"\n")
	p.user("Match host b exec " + touch("later") + "\nHost b\n Include " + p.environment.Home + "/inactive\n")
	p.mustResolve("a")
	for _, name := range []string{"later", "included"} {
		if _, err := os.Stat(filepath.Join(p.environment.Home, name)); err == nil {
			t.Errorf("the command of %s was run", name)
		}
	}
}

func TestExecOnlyFromFilesThatNobodyElseWrites(t *testing.T) {
	p := newPerson(t)
	path := p.write("open", "Match exec true\n")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := p.resolve("a", Flag{'F', path}); err == nil || !strings.Contains(err.Error(), "is not run") {
		t.Errorf("got %v", err)
	}
}

func TestExecEndsWithTheContext(t *testing.T) {
	p := newPerson(t)
	p.user("Match exec \"sleep 60\"\n")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := Resolve(ctx, Request{Destination: "a", Environment: p.environment})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

func TestSecondPassMatchesTheResolvedName(t *testing.T) {
	p := newPerson(t)
	p.user("Host a\n HostName real\nHost real\n Port 2222\nMatch final all\n User late\n")
	o := p.mustResolve("a")
	equal(t, "port", o.Port, 2222)
	equal(t, "user", o.User, "late")
}
