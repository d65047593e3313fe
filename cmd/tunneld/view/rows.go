package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// Summary writes a line for each tunnel, those in trouble first. No line is wider than width columns; 0: as wide as it gets.
func Summary(w io.Writer, r monitor.Report, width int, color bool) error {
	tunnels := slices.Clone(r.Tunnels)
	slices.SortStableFunc(tunnels, ByTrouble)
	_, err := io.WriteString(w, strings.Join(Rows(tunnels, r.Time, width, color), "\n")+"\n")
	return err
}

// Rows returns a line of headings and a line for each tunnel, as Summary does, in the order in which they are.
func Rows(tunnels []monitor.Status, now time.Time, width int, color bool) []string {
	t := table{width: width, color: color, now: now}
	rows := [][]cell{{{"NAME", dim}, {"STATE", dim}, {"SERVER", dim}, {"RTT", dim}, {"OPEN", dim}, {"FORWARDS", dim}}}
	for _, s := range tunnels {
		rows = append(rows, t.summary(s))
	}
	t.rows(rows)
	return strings.Split(strings.TrimSuffix(t.out.String(), "\n"), "\n")
}

// ByTrouble compares two tunnels for sorting: the one that wants a look more is the first.
func ByTrouble(a, b monitor.Status) int { return cmp.Compare(severity(b), severity(a)) }

// severity orders tunnels by how much they want a look.
func severity(s monitor.Status) int {
	switch {
	case s.State == monitor.Failed:
		return 4
	case !s.DownSince.IsZero():
		return 3
	case s.State == monitor.Suspect:
		return 2
	case len(s.Unready()) > 0:
		return 1
	}
	return 0
}

// summary is the line of a tunnel; where something is wrong, that is its end.
func (t *table) summary(s monitor.Status) []cell {
	row := []cell{{s.Title(), bold}, {t.state(s), inkOf(s.State)}, {text: fmt.Sprintf("%s@%s:%d", s.Server.User, s.Server.Host, s.Server.Port)}, {}, {text: fmt.Sprint(s.Open)}}
	if s.RTT > 0 {
		row[3].text = monitor.Round(time.Duration(s.RTT)).String()
	}
	if s.Held > 0 {
		row[4].text += fmt.Sprintf(" (%d held)", s.Held)
	}
	var specs []string
	last := cell{}
	for _, f := range s.Forwards {
		specs = append(specs, f.Spec)
		if f.State != tunnel.ForwardListening && s.State.Carries() && last.text == "" {
			last = cell{strings.TrimSpace(f.Spec + " " + string(f.State) + " " + f.LastError), yellow}
		}
	}
	switch {
	case s.Why != "" && !s.State.Carries():
		last = cell{s.Why, inkOf(s.State)}
	case last.text == "":
		last = cell{text: strings.Join(specs, " ")}
	}
	return append(row, last)
}

// Entry is a line of a list: an alias with forwards, or a running tunnel.
type Entry struct {
	Name     string        `json:"name"`            // of the tunnel; of what does not run, the alias
	Owner    string        `json:"owner,omitempty"` // the user whose process it is, where root is shown another one's
	Alias    string        `json:"alias"`
	Open     bool          `json:"open"` // it runs
	State    monitor.State `json:"state,omitempty"`
	Since    time.Time     `json:"since,omitzero"`      // of the state
	Down     time.Time     `json:"down_since,omitzero"` // since when it has been wanted and down
	Forwards []string      `json:"forwards"`            // as a person types them
	Error    string        `json:"error,omitempty"`     // why the alias cannot be used
}

// List writes a line for each entry. No line is wider than width columns; 0: as wide as it gets.
func List(w io.Writer, entries []Entry, now time.Time, width int, color bool) error {
	t := table{width: width, color: color, now: now}
	var rows [][]cell
	for _, e := range entries {
		row := []cell{{monitor.Status{Name: e.Name, Owner: e.Owner}.Title(), bold}, {"closed", dim}, {}, {text: strings.Join(e.Forwards, " ")}}
		if e.Open {
			row[1] = cell{"open", green}
			row[2] = cell{t.state(monitor.Status{State: e.State, Since: e.Since, DownSince: e.Down, Attempts: 1}), inkOf(e.State)}
		}
		if e.Error != "" {
			row[3] = cell{e.Error, red}
		}
		rows = append(rows, row)
	}
	t.rows(rows)
	_, err := io.WriteString(w, t.out.String())
	return err
}

// How few columns are left to the last cell of a line while others can make place, and to those before any of the name is cut.
const (
	narrow = 12
	tiny   = 4
)

// rows writes lines with their cells under each other. What is too wide is cut: the last cells first, then the widest, the names at last.
func (t *table) rows(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Columns(c.text))
		}
	}
	if t.width > 0 {
		t.fit(widths)
	}
	for _, row := range rows {
		var line []cell
		for i, c := range row {
			text := cutTo(c.text, widths[i])
			if i < len(row)-1 {
				text += strings.Repeat(" ", widths[i]-Columns(text))
			}
			line = append(line, cell{text, c.ink})
		}
		t.put(line)
	}
}

// fit makes columns narrower until all of them go on a line.
func (t *table) fit(widths []int) {
	over := -t.width
	for i, w := range widths {
		over += w
		if i > 0 {
			over += 2
		}
	}
	shrink := func(i, least int) {
		by := max(0, min(over, widths[i]-least))
		widths[i] -= by
		over -= by
	}
	shrink(len(widths)-1, narrow)
	for over > 0 {
		widest := 0
		for i, w := range widths {
			if i > 0 && w > tiny && (widest == 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widths[widest] <= 1 {
			return
		}
		shrink(widest, widths[widest]-1)
	}
}

// put writes cells two columns apart, without blanks at the end.
func (t *table) put(line []cell) {
	for len(line) > 1 && strings.TrimSpace(line[len(line)-1].text) == "" {
		line = line[:len(line)-1]
	}
	line[len(line)-1].text = strings.TrimRight(line[len(line)-1].text, " ")
	for i, c := range line {
		if i > 0 {
			t.out.WriteString("  ")
		}
		t.paint(c.text, c.ink)
	}
	t.out.WriteByte('\n')
}
