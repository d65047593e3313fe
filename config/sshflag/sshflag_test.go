package sshflag

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"-fNL 1:h:2 host -v", "f N L1:h:2 | host -v"},
		{"-L1:h:2 -- -N", "L1:h:2 |-- -N"},
		{"-o -- host", "o-- | host"},
		{"- host", "| - host"},
		{"-vvv", "v v v |"},
		{"-NZ host", "N | host: unknown option -- Z"},
		{"-NL", "N |: option requires an argument -- L"},
		{"--foo host", "| host: unknown option -- -"},
	} {
		flags, rest, ended, err := Read(strings.Fields(c.typed), nil)
		var b strings.Builder
		for _, f := range flags {
			fmt.Fprintf(&b, "%c%s ", f.Letter, f.Value)
		}
		b.WriteString("|")
		if ended {
			b.WriteString("--")
		}
		for _, word := range rest {
			b.WriteString(" " + word)
		}
		if err != nil {
			fmt.Fprintf(&b, ": %v", err)
		}
		if b.String() != c.want {
			t.Errorf("%s: got %q, want %q", c.typed, b.String(), c.want)
		}
	}
}

func TestEachOptionTakesAnArgumentOrNone(t *testing.T) {
	both := []byte(lettersWithValue + lettersAlone)
	slices.Sort(both)
	if len(slices.Compact(slices.Clone(both))) != len(both) {
		t.Errorf("a letter stands twice in %s", both)
	}
}
