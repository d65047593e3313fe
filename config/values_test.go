package config

import (
	"testing"
	"time"

	"github.com/tunneld/tunneld/config/sshpattern"
)

func TestMatchPattern(t *testing.T) {
	for _, c := range []struct {
		text, pattern string
		want          bool
	}{
		{"web1", "web?", true}, {"web", "web?", false}, {"web", "w*b", true}, {"web", "*", true}, {"", "*", true}, {"", "?", false},
		{"a.b.c", "*.c", true}, {"a.b.c", "a.*.b", false}, {"abc", "a**c", true}, {"abc", "ABC", false}, {"a*c", "a*c", true},
		{"aXbXc", "a*b*c", true}, {"mississippi", "m*iss*pi", true}, {"mississippi", "m*iss*pz", false},
	} {
		equal(t, c.text+" ~ "+c.pattern, sshpattern.MatchPattern(c.text, c.pattern), c.want)
	}
}

func TestMatchPatternTakesNoExponentialTime(t *testing.T) {
	pattern, text := "", ""
	for range 40 {
		pattern += "*a"
		text += "aaaaa"
	}
	done := make(chan bool, 1)
	go func() { done <- sshpattern.MatchPattern(text, pattern+"b") }()
	select {
	case matched := <-done:
		equal(t, "matched", matched, false)
	case <-time.After(5 * time.Second):
		t.Fatal("still comparing")
	}
}

func TestMatchList(t *testing.T) {
	for _, c := range []struct {
		text, list string
		want       sshpattern.Verdict
	}{
		{"a", "a,b", sshpattern.Positive}, {"b", "a,b", sshpattern.Positive}, {"c", "a,b", sshpattern.NoMatch}, {"a", "!a,*", sshpattern.Negative}, {"a", "*,!a", sshpattern.Negative},
		{"b", "*,!a", sshpattern.Positive}, {"a", "!b", sshpattern.NoMatch}, {"a", "", sshpattern.NoMatch}, {"", ",", sshpattern.Positive}, {"a", "A", sshpattern.Positive},
	} {
		equal(t, c.text+" ~ "+c.list, sshpattern.MatchList(c.text, c.list, true), c.want)
	}
}

func TestNumericAddress(t *testing.T) {
	for _, c := range []struct{ text, family, want string }{
		{"127.1", "any", "127.0.0.1"}, {"0x7f.1", "any", "127.0.0.1"}, {"010.0.0.1", "any", "8.0.0.1"}, {"1", "any", "0.0.0.1"},
		{"0:0:0:0:0:0:0:1", "any", "::1"}, {"::ffff:1.2.3.4", "any", "::ffff:1.2.3.4"}, {"::ffff:1.2.3.4", "inet", "1.2.3.4"},
		{"::1:2", "any", "::0.1.0.2"}, {"::1.2.3.4", "any", "::1.2.3.4"}, {"::1234", "any", "::1234"}, {"::1%0", "any", "::1"},
		{"127.1", "inet6", ""}, {"::1", "inet", ""}, {"host", "any", ""}, {"1.2.3.4.5", "any", ""}, {"256.1", "any", ""},
		{"08", "any", ""}, {"1.", "any", ""}, {"fe80::1%no-such-link", "any", ""},
	} {
		got, ok := numericAddress(c.text, c.family)
		if !ok {
			got = ""
		}
		equal(t, c.text+" "+c.family, got, c.want)
	}
}
