package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tunneld/tunneld/monitor"
)

func TestSummaryFitsAndShowsTroubleFirst(t *testing.T) {
	r := report()
	for i := range 6 {
		s := r.Tunnels[0]
		s.Name, s.Forwards = fmt.Sprintf("fine-%d", i), s.Forwards[:1]
		r.Tunnels = append(r.Tunnels, s)
	}
	bad := r.Tunnels[0]
	bad.Name, bad.State, bad.Why = "bad", monitor.Failed, "bob@db.example:22: host key not known"
	r.Tunnels = append(r.Tunnels, bad)
	for _, width := range []int{0, 40, 80, 160} {
		var out bytes.Buffer
		if err := Summary(&out, r, width, false); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
		if len(lines) != len(r.Tunnels)+1 {
			t.Errorf("width %d: %d lines, want one for each tunnel and a head:\n%s", width, len(lines), &out)
		}
		for i, want := range []string{"NAME", "bad", "web", "db", "fine-0"} {
			if !strings.HasPrefix(lines[i], want) {
				t.Errorf("width %d: line %d is %q, want %s", width, i, lines[i], want)
			}
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); width > 0 && n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
	var out bytes.Buffer
	Summary(&out, r, 0, false)
	for _, want := range []string{
		"bad     failed 3h 12m  bob@db.example:22   21ms  2           bob@db.example:22: host key not known\n",
		"web     down 9s        bob@web.example:22        0 (3 held)  bob@web.example:22: connection refused\n",
		"fine-0  up 3h 12m      bob@db.example:22   21ms  2           -L 5432:localhost:5432\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in\n%s", want, &out)
		}
	}
}

func TestList(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	entries := []Entry{
		{Name: "db", Open: true, State: monitor.Up, Since: now.Add(-time.Hour), Forwards: []string{"-L 5432:localhost:5432", "-D 1080"}},
		{Name: "web", Open: true, State: monitor.Waiting, Since: now, Down: now.Add(-9 * time.Second), Forwards: []string{"-R 80:localhost:80"}},
		{Name: "office", Forwards: []string{"-D 1081"}},
		{Name: "typo", Forwards: []string{}, Error: "config:3: LocalForward: no target"},
	}
	const want = `db      open    up 1h 0m  -L 5432:localhost:5432 -D 1080
web     open    down 9s   -R 80:localhost:80
office  closed            -D 1081
typo    closed            config:3: LocalForward: no target
`
	var out bytes.Buffer
	if err := List(&out, entries, now, 80, false); err != nil || out.String() != want {
		t.Errorf("%v: got\n%s\nwant\n%s", err, &out, want)
	}
}
