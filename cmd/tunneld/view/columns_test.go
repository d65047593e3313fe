package view

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

func TestColumns(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "db": 2, "Zürich": 6, "Zu\u0308rich": 6, "▁▂▃…↑↓·": 7, "自動": 4, "ｱﾄﾞ": 3, "ＡＢ": 4, "데이터": 6, "\u1103\u1166": 2, "🔑": 2, "☃": 1, "مرحبا": 5,
	} {
		if got := Columns(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
	if !slices.IsSortedFunc(wide[:], func(a, b [2]rune) int { return int(a[0] - b[1]) }) {
		t.Error("the ranges are not in order")
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text      string
		most      int
		clip, cut string
	}{
		{"abc", 3, "abc", "abc"}, {"abcd", 3, "abc", "ab…"}, {"自動化", 6, "自動化", "自動化"}, {"自動化", 5, "自動", "自動…"}, {"自動化", 4, "自動", "自…"},
		{"u\u0308x", 1, "u\u0308", "…"}, {"abc", 0, "", "…"}, {"", 0, "", ""}, {"", -1, "", "…"},
	} {
		if got := Clip(c.text, c.most); got != c.clip {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.most, got, c.clip)
		}
		if got := cutTo(c.text, c.most); got != c.cut {
			t.Errorf("%q in %d columns with an ellipsis: %q, want %q", c.text, c.most, got, c.cut)
		}
	}
}

// Letters that take two columns made lines wider than the terminal, and pushed what follows out of its column.
func TestWideLettersStayInTheirColumns(t *testing.T) {
	r := monitor.Report{Time: time.Now()}
	for _, name := range []string{"自動化自動化", "db"} {
		r.Tunnels = append(r.Tunnels, monitor.Status{Name: name, State: monitor.Up, Since: r.Time,
			Server: monitor.Server{User: "bob", Host: "db.example", Port: 22}, Why: strings.Repeat("接続 ", 30)})
	}
	for _, width := range []int{30, 60, 200} {
		rows := Rows(r.Tunnels, r.Time, width, false)
		column := 0
		for i, row := range rows {
			if Columns(row) > width {
				t.Errorf("%d columns of %d: %q", Columns(row), width, row)
			}
			at := Columns(row[:max(0, strings.Index(row, []string{"STATE", "up", "up"}[i]))])
			if column == 0 {
				column = at
			}
			if at != column && width > 60 {
				t.Errorf("the state is in column %d, want %d:\n%s", at, column, strings.Join(rows, "\n"))
			}
		}
		var out strings.Builder
		if err := Table(&out, r, width, false); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := Columns(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns of %d: %q", n, width, line)
			}
		}
	}
}
