package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// Of -l and user@host, of -p and ssh://host:port, ssh takes the one that was typed first.
func TestTheFirstOfFlagAndDestinationWins(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"-l alice bob@host", "user alice"},
		{"bob@host -l alice", "user bob"},
		{"-p 5 ssh://host:7", "port 5"},
		{"ssh://host:7 -p 5", "port 7"},
		{"-NTvl alice host", "user alice"},
		{"host -lalice -p2222", "port 2222"},
	} {
		var out, problems bytes.Buffer
		args := append([]string{"tunneld", "config", "-F", "none"}, strings.Fields(c.typed)...)
		if code := run(t.Context(), args, &out, &problems); code != exitOK {
			t.Errorf("%s: exit %d: %s", c.typed, code, &problems)
		}
		if lines := strings.Split(out.String(), "\n"); !slices.Contains(lines, c.want) {
			t.Errorf("%s: no line %q in\n%s", c.typed, c.want, &out)
		}
	}
}
