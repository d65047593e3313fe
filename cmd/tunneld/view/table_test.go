package view

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// report is one tunnel that is up and one that is not.
func report() monitor.Report {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	db := monitor.Status{
		Name: "db", Alias: "db", State: monitor.Up, Since: now.Add(-3*time.Hour - 12*time.Minute), Began: now.Add(-26 * time.Hour),
		Server: monitor.Server{
			User: "bob", Host: "db.example", Port: 22, Address: "192.0.2.1:22", Version: "SSH-2.0-OpenSSH_9.2",
			Kex: "curve25519-sha256", Cipher: "aes128-gcm@openssh.com", HostKey: "ssh-ed25519", Fingerprint: "SHA256:abc",
		},
		RTT:        monitor.Seconds(21 * time.Millisecond),
		RecentRTTs: []monitor.Seconds{monitor.Seconds(20 * time.Millisecond), monitor.Seconds(35 * time.Millisecond), monitor.Seconds(21 * time.Millisecond)},
		Reconnects: 2,
		LastOutage: &monitor.Outage{Began: now.Add(-4*time.Minute - 10*time.Second), Ended: now.Add(-4 * time.Minute), Attempts: 3, Why: foreign.Line("no byte for 4s")},
		LastError:  &monitor.Failure{Time: now.Add(-3 * time.Hour), Phase: fault.PhaseSession, Text: foreign.Line("connection lost: \x1b[2Jreset by peer")},
		Sessions:   []monitor.SessionStatus{{Slot: 1, State: monitor.Up, UpSince: now.Add(-3 * time.Hour), Took: monitor.Seconds(34 * time.Millisecond)}},
		Forwards: []monitor.ForwardStatus{
			{Kind: "L", Spec: "-L 5432:localhost:5432", State: tunnel.ForwardListening, Bound: []string{"127.0.0.1:5432", "[::1]:5432"},
				Target: "localhost:5432", Carried: tunnel.Carried{Open: 2, Total: 120, Refused: 1, BytesIn: 1_234_567, BytesOut: 34_000}, RateIn: 12_300,
				LastError: "the server cannot reach localhost:5432: Connection refused", FailedAt: now.Add(-2 * time.Minute)},
			{Kind: "R", Spec: "-R 8080:localhost:80", State: tunnel.ForwardFailed, Bound: []string{}, LastError: "refused by the server"},
		},
		Open: 2, BytesIn: 2_000_000, BytesOut: 50_000, RateIn: 13_000,
	}
	web := monitor.Status{
		Name: "web", Alias: "web", State: monitor.Waiting, Since: now.Add(-7 * time.Second), Why: "bob@web.example:22: connection refused",
		Server: monitor.Server{User: "bob", Host: "web.example", Port: 22}, RecentRTTs: []monitor.Seconds{},
		DownSince: now.Add(-9 * time.Second),
		Attempts:  4, RetryAt: now.Add(3400 * time.Millisecond),
		LastError: &monitor.Failure{Time: now, Phase: fault.PhaseDial, Text: foreign.Line("bob@web.example:22: connection refused"), Hint: "is sshd running there?"},
		Sessions:  []monitor.SessionStatus{{Slot: 1, State: monitor.Waiting}},
		Forwards: []monitor.ForwardStatus{{Kind: "D", Spec: "-D 1080", State: tunnel.ForwardListening,
			Bound: []string{"127.0.0.1:1080"}, Target: "SOCKS", Carried: tunnel.Carried{Held: 3}}},
		Held: 3,
	}
	return monitor.Report{Version: monitor.ReportVersion, Time: now, Tunnels: []monitor.Status{db, web}}
}

func TestTable(t *testing.T) {
	const want = `db · up 3h 12m · bob@db.example:22 (192.0.2.1:22) · aes128-gcm@openssh.com · rtt 21ms ▁█▁ · 2 reconnects · ↓ 2.0 MB (13.0 kB/s) · ↑ 50.0 kB
    -L 5432:localhost:5432  127.0.0.1:5432 [::1]:5432     2 open 120 total 1 refused  ↓ 1.2 MB (12.3 kB/s) ↑ 34.0 kB
        2m 0s ago: the server cannot reach localhost:5432: Connection refused
    -R 8080:localhost:80    failed refused by the server  0 open 0 total
    last outage 10s, 4m 0s ago: no byte for 4s
    last error 3h 0m ago: connection lost: [2Jreset by peer

web · down 9s · attempt 5 in 3.4s · 3 held · bob@web.example:22
    bob@web.example:22: connection refused
    -D 1080  127.0.0.1:1080  0 open 0 total 3 held
    hint: is sshd running there?
`
	var got bytes.Buffer
	if err := Table(&got, report(), 0, false); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestTableFits(t *testing.T) {
	for _, width := range []int{50, 80, 120} {
		var wide, narrow bytes.Buffer
		Table(&wide, report(), 0, false)
		Table(&narrow, report(), width, false)
		for line := range strings.Lines(narrow.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
		if a, b := words(wide.String()), words(narrow.String()); !reflect.DeepEqual(a, b) {
			t.Errorf("width %d loses text:\n%s", width, narrow.String())
		}
	}
}

func TestTableColorsOnlyWhenAsked(t *testing.T) {
	var plain, colored bytes.Buffer
	Table(&plain, report(), 80, false)
	Table(&colored, report(), 80, true)
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("escape sequences without color")
	}
	if !strings.Contains(colored.String(), "\x1b[32mup 3h 12m\x1b[0m") || strings.Contains(colored.String(), "\x1b[2J") {
		t.Errorf("colors:\n%q", colored.String())
	}
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \n·", r) })
}

// What goes over the control socket comes out as it went in.
func TestReportRoundTrip(t *testing.T) {
	text, err := json.Marshal(report())
	if err != nil {
		t.Fatal(err)
	}
	var got monitor.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if want := report(); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	for _, field := range []string{`"version":1`, `"state":"up"`, `"rtt_seconds":0.021`, `"since":"2026-11-20T08:48:00Z"`, `"phase":"session"`} {
		if !bytes.Contains(text, []byte(field)) {
			t.Errorf("%s is not in %s", field, text)
		}
	}
}

func TestSummary(t *testing.T) {
	r := report()
	for i, want := range []string{
		"up, bob@db.example:22; last outage 10s until 2026-11-20 11:56:00: no byte for 4s",
		"waiting: bob@web.example:22: connection refused; down since 11:59:51; attempt 5 at 12:00:03; 3 held",
	} {
		if got := r.Tunnels[i].Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestUnready(t *testing.T) {
	r := report()
	if got := r.Tunnels[0].Unready(); len(got) != 1 || got[0] != "db: -R 8080:localhost:80: failed: refused by the server" {
		t.Errorf("%q", got)
	}
	r.Tunnels[0].Forwards[1].State = tunnel.ForwardStandby
	if got := r.Tunnels[0].Unready(); len(got) != 1 || got[0] != "db: -R 8080:localhost:80: standby: refused by the server" {
		t.Errorf("%q", got)
	}
	if got := r.Tunnels[0].Unready(tunnel.ForwardStandby); got != nil {
		t.Errorf("%q keeps it from being ready where standing by is fine", got)
	}
	if got := r.Tunnels[1].Unready(); len(got) != 1 || got[0] != "web: waiting: bob@web.example:22: connection refused" {
		t.Errorf("%q", got)
	}
}
