package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// report is some tunnels, t000 and so on, of which the last but one is down.
func report(tunnels int) monitor.Report {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.Local)
	r := monitor.Report{Time: now, Machine: "gateway"}
	for i := range tunnels {
		s := monitor.Status{
			Name: fmt.Sprintf("t%03d", i), State: monitor.Up, Since: now.Add(-time.Hour), RTT: monitor.Seconds(i) * monitor.Seconds(time.Millisecond),
			Server:   monitor.Server{User: "bob", Host: "db.example", Port: 22},
			Forwards: []monitor.ForwardStatus{{Spec: "-D 1080", State: tunnel.ForwardListening, Bound: []string{"127.0.0.1:1080"}}},
			RateIn:   float64(tunnels - i),
		}
		if i == tunnels-2 {
			s.State, s.Why, s.DownSince, s.Attempts = monitor.Waiting, "bob@db.example:22: connection refused", now.Add(-9*time.Second), 3
			s.Events = []monitor.Event{{Time: now, Text: foreign.Line("connection lost")}}
		}
		r.Tunnels = append(r.Tunnels, s)
	}
	return r
}

func newScreen(width, height int, r monitor.Report, problems string) *screen {
	s := &screen{width: width, height: height}
	s.take(r, problems)
	return s
}

// chosenName is the name behind the mark.
func chosenName(s *screen) string {
	for _, line := range s.lines() {
		if rest, marked := strings.CutPrefix(line, "> "); marked {
			return strings.Fields(rest)[0]
		}
	}
	return ""
}

// However short and narrow the terminal is, the head stays, and nothing is longer or wider than it.
func TestScreenFits(t *testing.T) {
	for _, tunnels := range []int{0, 1, 3, 200} {
		for _, width := range []int{1, 7, 20, 40, 80, 200} {
			for _, height := range []int{1, 2, 3, 4, 5, 8, 10, 24, 60} {
				for _, keys := range []string{"", "enter", "end", "end enter end", "page down", "sort", "sort sort end"} {
					s := newScreen(width, height, report(tunnels), "tunneld: something is missing\ntunneld: hint: do something about it\n")
					for _, k := range strings.Fields(strings.ReplaceAll(keys, "page down", "page_down")) {
						s.press(key(strings.ReplaceAll(k, "_", " ")))
					}
					where := fmt.Sprintf("%d tunnels on %d × %d after %q", tunnels, width, height, keys)
					lines := s.lines()
					if len(lines) > height || len(lines) == 0 {
						t.Fatalf("%s: %d lines", where, len(lines))
					}
					if !strings.HasPrefix("12:00:00", lines[0][:min(8, len(lines[0]))]) {
						t.Fatalf("%s: the head is %q", where, lines[0])
					}
					for _, line := range lines {
						if n := utf8.RuneCountInString(line); n > width && width >= 40 {
							t.Fatalf("%s: %d columns: %q", where, n, line)
						}
					}
					if text := s.text(); strings.Count(text, "\n") != len(lines)-1 || !strings.HasPrefix(text, home) || !strings.HasSuffix(text, clearDown) {
						t.Fatalf("%s: drawn %q", where, text)
					}
				}
			}
		}
	}
}

func TestScreenOfFew(t *testing.T) {
	s := newScreen(80, 24, report(3), "")
	got := strings.Join(s.lines(), "\n")
	for _, want := range []string{
		"12:00:00  2 of 3 up  gateway\n", "\n  NAME  STATE", "\n> t001  down 9s", "\n  t000  up 1h 0m",
		"\n\nt001 · down 9s", "\n    bob@db.example:22: connection refused\n", "connection lost", "\nq ends · ↑↓ choose · enter details · s sorts, now by trouble",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestKeysOfTheScreen(t *testing.T) {
	s := newScreen(80, 12, report(200), "")
	for _, step := range []struct{ key, chosen, shows string }{
		{"", "t198", "1-8 of 200"}, // what is down
		{"down", "t000", "1-8 of 200"},
		{"up", "t198", "1-8 of 200"},
		{"up", "t198", "1-8 of 200"},
		{"page down", "t005", "1-8 of 200"},
		{"down", "t006", "1-8 of 200"},
		{"down", "t007", "2-9 of 200"},
		{"end", "t199", "193-200 of 200"},
		{"down", "t199", "193-200 of 200"},
		{"home", "t198", "1-8 of 200"},
		{"sort", "t000", "now by name"},
		{"down", "t001", "now by name"},
		{"sort", "t199", "now by round trip"},
		{"sort", "t000", "now by traffic"},
		{"sort", "t198", "now by trouble"},
		{"enter", "", "t198 · down 9s"},
		{"enter", "t198", "enter details"},
		{"right", "", "enter back"},
		{"escape", "t198", "enter details"},
		{"escape", "t198", "enter details"},
	} {
		if s.press(key(step.key)) {
			t.Fatalf("%q ends it", step.key)
		}
		if got := chosenName(s); got != step.chosen {
			t.Errorf("after %q %s is chosen, want %s", step.key, got, step.chosen)
		}
		if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, step.shows) {
			t.Errorf("after %q there is no %q in\n%s", step.key, step.shows, text)
		}
	}
	if !s.press(keyQuit) {
		t.Error("q does not end it")
	}
}

// What is chosen stays chosen while tunnels come and go, and a daemon that has ended may come back.
func TestChosenTunnelStays(t *testing.T) {
	s := newScreen(80, 24, report(5), "")
	s.press(keyEnd)
	if got := chosenName(s); got != "t004" {
		t.Fatalf("%s is chosen", got)
	}
	s.press(keyEnter)
	more := report(9)
	s.take(more, "")
	s.press(keyEscape)
	if got := chosenName(s); got != "t004" {
		t.Errorf("%s is chosen with more tunnels", got)
	}
	s.press(keyEnter)
	s.take(monitor.Report{Time: more.Time}, "tunneld: no tunnel is running\n")
	if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, "no tunnels") || !strings.Contains(text, "tunneld: no tunnel is running") {
		t.Errorf("of a daemon that has ended it shows\n%s", text)
	}
	s.press(keyEnter)
	s.press(keyDown)
	s.take(report(3), "")
	if got := chosenName(s); got == "" {
		t.Errorf("nothing is chosen after a restart:\n%s", strings.Join(s.lines(), "\n"))
	}
}

func TestDetailsScroll(t *testing.T) {
	r := report(1)
	for i := range 40 {
		r.Tunnels[0].Forwards = append(r.Tunnels[0].Forwards, monitor.ForwardStatus{Spec: fmt.Sprintf("-L %d:localhost:1", 1000+i), State: tunnel.ForwardListening})
	}
	s := newScreen(80, 12, r, "")
	if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, "more lines") {
		t.Errorf("it does not say that there is more:\n%s", text)
	}
	s.press(keyEnter)
	for range 100 {
		s.press(keyDown)
		s.lines()
	}
	if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, "1039:localhost:1") || !strings.Contains(text, "lines 34-42 of 42") {
		t.Errorf("the end is not reached:\n%s", text)
	}
	s.press(keyUp)
	if text := strings.Join(s.lines(), "\n"); !strings.Contains(text, "lines 33-41 of 42") {
		t.Errorf("it does not go back:\n%s", text)
	}
}

// Nothing that another process says is acted upon by the terminal.
func TestScreenShowsForeignWords(t *testing.T) {
	r := report(2)
	r.Machine = "gate\x1b[2Jway\n"
	for i := range r.Tunnels {
		r.Tunnels[i].Name, r.Tunnels[i].Why = "t\x1b[1;1H\u202e", "no\x9b31m\r\nnewline"
	}
	foreign.Strings(&r)
	for _, open := range []bool{false, true} {
		s := newScreen(80, 24, r, "")
		s.open = open
		for _, line := range s.lines() {
			if strings.IndexFunc(line, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) }) >= 0 {
				t.Errorf("shown %q", line)
			}
		}
	}
}

// Two users may have a tunnel of one name, and a tunnel may go while its details are shown: those of another one were shown then.
func TestDetailsAreThoseOfTheChosenTunnel(t *testing.T) {
	details := func(s *screen) string { return strings.Join(s.lines(), "\n") }
	r := report(4)
	r.Tunnels[0].Name, r.Tunnels[0].Owner, r.Tunnels[0].Server.Host = "web", "alice", "of-alice"
	r.Tunnels[3].Name, r.Tunnels[3].Owner, r.Tunnels[3].Server.Host = "web", "bob", "of-bob"
	s := newScreen(80, 24, r, "")
	s.press(keyEnd)
	s.press(keyEnter)
	if text := details(s); !strings.Contains(text, "of-bob") {
		t.Fatalf("it shows\n%s", text)
	}
	r.Tunnels[1].State, r.Tunnels[1].DownSince, r.Tunnels[1].Attempts = monitor.Waiting, r.Time, 1 // another order
	r.Tunnels[0].State, r.Tunnels[0].DownSince, r.Tunnels[0].Attempts = monitor.Waiting, r.Time, 1
	s.take(r, "")
	if text := details(s); !strings.Contains(text, "of-bob") || strings.Contains(text, "of-alice") {
		t.Errorf("after another order it shows\n%s", text)
	}
	s.press(keySort)
	if text := details(s); !strings.Contains(text, "of-bob") {
		t.Errorf("sorted, it shows\n%s", text)
	}
	r.Tunnels = r.Tunnels[:3]
	s.take(r, "")
	if text := details(s); s.open || !strings.Contains(text, "enter details") {
		t.Errorf("when it has gone it shows\n%s", text)
	}
}

// Letters of two columns were counted as one.
func TestScreenFitsWideLetters(t *testing.T) {
	for _, width := range []int{40, 60, 80} {
		r := report(3)
		r.Machine = strings.Repeat("機", 60)
		for i := range r.Tunnels {
			r.Tunnels[i].Name, r.Tunnels[i].Why = fmt.Sprint("自動化", i), strings.Repeat("接続 ", 40)
		}
		s := newScreen(width, 24, r, "tunneld: "+strings.Repeat("問題", 50)+"\n")
		for _, open := range []bool{false, true} {
			s.open = open
			for _, line := range s.lines() {
				if n := view.Columns(line); n > width {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
			}
		}
	}
}
