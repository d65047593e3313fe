package config

import (
	"github.com/tunneld/tunneld/config/sshpattern"
	"math"
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for _, c := range []struct {
		text  string
		value int
		ok    bool
	}{
		{"0", 0, true}, {"90", 90, true}, {"90s", 90, true}, {"1m30s", 90, true}, {"1M30S", 90, true}, {"2h", 7200, true},
		{"1d", 86400, true}, {"1w", 604800, true}, {"1w1d1h1m1s", 694861, true}, {"+5", 5, true}, {" 5", 5, true},
		{"1h 30m", 5400, true}, {"2147483647", math.MaxInt32, true},
		{"", 0, false}, {"x", 0, false}, {"-1", 0, false}, {"5x", 0, false}, {"1.5", 0, false}, {"2147483648", 0, false},
		{"99999999999999999999", 0, false}, {"3551w", 0, false}, {"s", 0, false}, {"5 ", 0, false},
	} {
		value, ok := seconds(c.text)
		if value != c.value || ok != c.ok {
			t.Errorf("%q: got %d, %v; want %d, %v", c.text, value, ok, c.value, c.ok)
		}
	}
}

func TestPortNumber(t *testing.T) {
	for _, c := range []struct {
		text string
		port int
		ok   bool
	}{
		{"22", 22, true}, {"0", 0, true}, {"65535", 65535, true}, {"+80", 80, true}, {"022", 22, true}, {"http", 80, true},
		{"65536", 0, false}, {"-1", 0, false}, {"", 0, false}, {"22x", 0, false}, {"no-such-service", 0, false},
	} {
		port, ok := portNumber(c.text)
		if ok != c.ok || ok && port != c.port {
			t.Errorf("%q: got %d, %v; want %d, %v", c.text, port, ok, c.port, c.ok)
		}
	}
}

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
