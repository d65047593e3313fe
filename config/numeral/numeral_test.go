package numeral

import (
	"math"
	"testing"
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
		value, ok := Seconds(c.text)
		if value != c.value || ok != c.ok {
			t.Errorf("%q: got %d, %v; want %d, %v", c.text, value, ok, c.value, c.ok)
		}
	}
}

func TestPort(t *testing.T) {
	for _, c := range []struct {
		text string
		port int
		ok   bool
	}{
		{"22", 22, true}, {"0", 0, true}, {"65535", 65535, true}, {"+80", 80, true}, {"022", 22, true}, {"http", 80, true},
		{"65536", 0, false}, {"-1", 0, false}, {"", 0, false}, {"22x", 0, false}, {"no-such-service", 0, false},
	} {
		port, ok := Port(c.text)
		if ok != c.ok || ok && port != c.port {
			t.Errorf("%q: got %d, %v; want %d, %v", c.text, port, ok, c.port, c.ok)
		}
	}
}
