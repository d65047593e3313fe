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

// A terminal whose letters are not in UTF-8 is not shown any.
func TestStatusInTheLocale(t *testing.T) {
	for locale, want := range map[string]string{"C": "db | up", "C.UTF-8": "db · up"} {
		t.Setenv("LC_ALL", locale)
		var out bytes.Buffer
		report := monitor.Report{Tunnels: []monitor.Status{{Name: "db", State: monitor.Up}}}
		if err := printTable(&out, report, true); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("LC_ALL=%s: %s, %v", locale, &out, err)
		}
	}
}

// In a pipe the status is text, one below the other, and that nothing runs is part of it.
func TestWatchInAPipe(t *testing.T) {
	t.Setenv("TUNNELD_RUNTIME_DIR", t.TempDir())
	var out bytes.Buffer
	if err := showOnce(t.Context(), &out, nil, false); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "\ntunneld: no tunnel is running\n") {
		t.Errorf("shown %q", text)
	}
}

func TestNamesAndPatternsOfRunningTunnels(t *testing.T) {
	running := []string{"db", "ssh://bob@host:22", "web-1", "web-2"}
	for _, c := range []struct{ words, meant, missing string }{
		{"", "db ssh://bob@host:22 web-1 web-2", ""},
		{"*", "db ssh://bob@host:22 web-1 web-2", ""},
		{"*host*", "ssh://bob@host:22", ""},
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
