package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/monitor"
)

// Nothing to show is no failure; of JSON it is an empty list.
func TestStatusWhereNothingRuns(t *testing.T) {
	t.Setenv("TUNNELD_RUNTIME_DIR", t.TempDir())
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"tunneld", "status", "--json"}, &out, &problems); code != exit.OK || problems.Len() > 0 {
		t.Errorf("exit code %d, want %d; said %q", code, exit.OK, &problems)
	}
	var report monitor.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.Version != monitor.ReportVersion || report.Tunnels == nil {
		t.Errorf("%v: JSON without an empty list of tunnels: %s", err, &out)
	}
	out.Reset()
	if code := run(t.Context(), []string{"tunneld", "status"}, &out, &problems); code != exit.OK || out.Len() > 0 {
		t.Errorf("exit code %d, want %d; printed %q", code, exit.OK, &out)
	}
	if !strings.HasPrefix(problems.String(), "tunneld: no tunnel is running\ntunneld: hint: ") {
		t.Errorf("said %q", &problems)
	}
	if code := run(t.Context(), []string{"tunneld", "status", "db"}, &out, &problems); code != exit.GaveUp {
		t.Errorf("of one that was named: exit code %d, want %d", code, exit.GaveUp)
	}
}

func TestWatchDrawsInPlace(t *testing.T) {
	t.Setenv("TUNNELD_RUNTIME_DIR", t.TempDir())
	var out bytes.Buffer
	if err := showOnce(t.Context(), &out, nil, false, true); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasPrefix(text, home) || !strings.HasSuffix(text, clearDown) || strings.Count(text, "\n") != strings.Count(text, clearLine+"\r\n") {
		t.Errorf("drawn %q", text)
	}
	if !strings.Contains(text, "no tunnel is running") {
		t.Errorf("it does not say that nothing runs: %q", text)
	}
}

func TestNamesAndPatternsOfRunningTunnels(t *testing.T) {
	running := []string{"db", "web-1", "web-2"}
	for _, c := range []struct{ words, meant, missing string }{
		{"", "db web-1 web-2", ""},
		{"web-*", "web-1 web-2", ""},
		{"web-1 db web-*", "db web-1 web-2", ""},
		{"wbe db", "db", "wbe"},
		{"[", "", "["},
	} {
		meant, missing := match(strings.Fields(c.words), running)
		if strings.Join(meant, " ") != c.meant || strings.Join(missing, " ") != c.missing {
			t.Errorf("%q means %q, and not %q; want %q, %q", c.words, meant, missing, c.meant, c.missing)
		}
	}
}

func TestWatchKeepsItsHead(t *testing.T) {
	const text = "12:00:00\n\na\nb\nc\nd\n"
	for _, c := range []struct {
		height int
		want   string
	}{
		{0, text}, {7, text}, {6, "12:00:00\n\na\nb\n… 2 more\n"}, {3, "12:00:00\n… 5 more\n"},
	} {
		if got := head(text, c.height); got != c.want {
			t.Errorf("on %d lines: %q, want %q", c.height, got, c.want)
		}
	}
}

func TestKeyEndsWatching(t *testing.T) {
	for keys, want := range map[string]int{"q": 1, "xyq": 1, "\x03": 1, "x": 1 /* the terminal has gone */} {
		quit := 0
		readKeys(strings.NewReader(keys), func() { quit++ })
		if quit != want {
			t.Errorf("%q: ended %d times, want %d", keys, quit, want)
		}
	}
}
