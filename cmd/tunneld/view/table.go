package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Table writes a report for people: a paragraph for each tunnel, a line for each of its forwards. Lines are wrapped at width
// columns; 0: not at all. color uses the eight colors of a terminal. What a report holds may be shown as it is: the words of
// strangers were made safe where they came in (package foreign).
func Table(w io.Writer, r monitor.Report, width int, color bool) error {
	t := table{width: width, color: color, now: r.Time}
	for i, s := range r.Tunnels {
		if i > 0 {
			t.out.WriteByte('\n')
		}
		t.tunnel(s)
	}
	_, err := io.WriteString(w, t.out.String())
	return err
}

type table struct {
	out   strings.Builder
	width int
	color bool
	now   time.Time
}

// cell is a piece of a line that is not broken.
type cell struct {
	text string
	ink  ink
}

// ink is an SGR parameter (ECMA-48 §8.3.117); empty: none.
type ink string

const (
	plain  ink = ""
	bold   ink = "1"
	dim    ink = "2"
	red    ink = "31"
	green  ink = "32"
	yellow ink = "33"
)

func (t *table) tunnel(s monitor.Status) {
	t.line("", " · ", t.head(s)...)
	if s.Why != "" {
		t.prose("    ", cell{text: s.Why})
	}
	for _, session := range s.Sessions {
		if len(s.Sessions) > 1 {
			t.line("    ", " · ", t.session(session)...)
		}
	}
	t.forwards(s.Forwards)
	if m := s.Master; m != nil {
		t.master(m)
	}
	if s.Kept != "" {
		t.prose("    ", cell{"configuration:", yellow}, cell{s.Kept, yellow})
	}
	if s.EchoVoid != "" {
		t.prose("    ", cell{"no echo probes:", dim}, cell{s.EchoVoid, dim})
	}
	if o := s.LastOutage; o != nil {
		t.prose("    ", cell{fmt.Sprintf("last outage %s, %s ago:", length(o.Ended.Sub(o.Began)), t.ago(o.Ended)), dim}, cell{o.Why.String(), dim})
	}
	if e := s.LastError; e != nil && e.Text.String() != s.Why && !ofOutage(e, s.LastOutage) {
		t.prose("    ", cell{"last error " + t.ago(e.Time) + " ago:", dim}, cell{e.Text.String(), dim})
	}
	if e := s.LastError; e != nil && e.Hint != "" && !s.State.Carries() {
		t.prose("    ", cell{"hint:", bold}, cell{text: e.Hint})
	}
	for _, e := range s.Events {
		t.prose("    ", cell{e.Time.Local().Format(time.TimeOnly), dim}, cell{e.String(), dim})
	}
}

// master says where ssh and others find the tunnel, or why they do not.
func (t *table) master(m *monitor.Master) {
	if m.State == monitor.MasterListening {
		t.prose("    ", cell{"ControlPath " + m.Path, dim})
		return
	}
	t.prose("    ", cell{text: "ControlPath " + m.Path}, cell{string(m.State) + ":", yellow}, cell{m.Error, yellow})
}

// ofOutage reports whether the outage tells of e.
func ofOutage(e *monitor.Failure, o *monitor.Outage) bool {
	return o != nil && (e.Text == o.Why || e.Time.After(o.Began) && !e.Time.After(o.Ended))
}

// head says what a tunnel does, and with whom.
func (t *table) head(s monitor.Status) []cell {
	cells := []cell{{s.Title(), bold}, {t.state(s), inkOf(s.State)}}
	if s.State == monitor.Waiting && !s.RetryAt.IsZero() {
		wait := max(0, s.RetryAt.Sub(t.now)).Round(100 * time.Millisecond)
		cells = append(cells, cell{fmt.Sprintf("attempt %d in %s", s.Attempts+1, wait), yellow})
	}
	if s.State == monitor.Connecting && s.Attempts > 0 {
		cells = append(cells, cell{fmt.Sprintf("attempt %d", s.Attempts+1), yellow})
	}
	if s.Held > 0 {
		cells = append(cells, cell{fmt.Sprintf("%d held", s.Held), yellow})
	}
	cells = append(cells, cell{text: peer(s.Server)})
	if s.Server.Cipher != "" {
		cells = append(cells, cell{s.Server.Cipher, dim})
	}
	if s.RTT > 0 {
		cells = append(cells, cell{text: strings.TrimSpace("rtt " + monitor.Round(time.Duration(s.RTT)).String() + " " + sparkline(s.RecentRTTs))})
	}
	if s.Reconnects > 0 {
		cells = append(cells, cell{text: fault.Count(s.Reconnects, "reconnect")})
	}
	return append(cells, flow(s.BytesIn, s.BytesOut, s.RateIn, s.RateOut)...)
}

// state says what a tunnel does, and since when; one that is wanted and not there is down, whatever it does about that.
func (t *table) state(s monitor.Status) string {
	if !s.DownSince.IsZero() && (s.Attempts > 0 || s.State == monitor.Waiting) {
		return "down " + t.ago(s.DownSince)
	}
	return fmt.Sprintf("%s %s", s.State, t.ago(s.Since))
}

// peer returns user@host:port and the address behind it.
func peer(s monitor.Server) string {
	text := fmt.Sprintf("%s@%s:%d", s.User, s.Host, s.Port)
	if s.Address != "" && !strings.HasPrefix(s.Address, s.Host+":") {
		text += " (" + s.Address + ")"
	}
	if len(s.Via) > 0 {
		text += " via " + strings.Join(s.Via, ", ")
	}
	return text
}

func (t *table) session(s monitor.SessionStatus) []cell {
	state := string(s.State)
	if s.Retiring {
		state = "retiring"
	}
	name := fmt.Sprintf("session %d", s.Slot)
	if s.Slot == 0 {
		name = "for sessions alone"
	}
	cells := []cell{{name, dim}, {state + " " + t.ago(s.Since), inkOf(s.State)}}
	if s.UpSince.IsZero() {
		return cells
	}
	cells = append(cells, cell{text: fmt.Sprintf("%d open", s.Open)})
	if s.RTT > 0 {
		cells = append(cells, cell{text: "rtt " + monitor.Round(time.Duration(s.RTT)).String()})
	}
	return cells
}

// forwards writes a line for each, its columns under each other where that fits.
func (t *table) forwards(all []monitor.ForwardStatus) {
	var rows [][]cell
	var widths []int
	for _, f := range all {
		row := t.row(f)
		rows = append(rows, row)
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], Columns(c.text))
		}
	}
	total := 4
	for _, w := range widths {
		total += w + 2
	}
	for n, row := range rows {
		if t.width == 0 || total-2 <= t.width {
			for i := range row[:len(row)-1] {
				row[i].text += strings.Repeat(" ", widths[i]-Columns(row[i].text))
			}
		}
		t.line("    ", "  ", row...)
		t.mishap(all[n])
	}
}

// mishap says why the last connection that was not served was not, below a forward that listens.
func (t *table) mishap(f monitor.ForwardStatus) {
	if f.State != tunnel.ForwardListening || f.LastError == "" || f.FailedAt.IsZero() {
		return
	}
	t.prose("        ", cell{t.ago(f.FailedAt) + " ago:", dim}, cell{f.LastError, yellow})
}

func (t *table) row(f monitor.ForwardStatus) []cell {
	bound := cell{text: strings.Join(f.Bound, " ")}
	if f.State != tunnel.ForwardListening {
		bound = cell{strings.TrimSpace(string(f.State) + " " + f.LastError), yellow}
		if f.State == tunnel.ForwardFailed {
			bound.ink = red
		}
	}
	counts := fmt.Sprintf("%d open %d total", f.Open, f.Total)
	if f.Held > 0 {
		counts += fmt.Sprintf(" %d held", f.Held)
	}
	if f.Refused > 0 {
		counts += fmt.Sprintf(" %d refused", f.Refused)
	}
	row := []cell{{text: f.Spec}, bound, {text: counts}}
	if f.Added {
		row = append(row, cell{"added", dim})
	}
	if f.Limit != "" {
		row = append(row, cell{f.Limit, yellow})
	}
	var traffic []string
	for _, c := range flow(f.BytesIn, f.BytesOut, f.RateIn, f.RateOut) {
		traffic = append(traffic, c.text)
	}
	if traffic != nil {
		row = append(row, cell{text: strings.Join(traffic, " ")})
	}
	return row
}

// flow returns bytes from and to the server, and how fast, as far as there are any.
func flow(in, out uint64, rateIn, rateOut float64) []cell {
	var cells []cell
	for _, d := range []struct {
		arrow string
		bytes uint64
		rate  float64
	}{{"↓", in, rateIn}, {"↑", out, rateOut}} {
		if d.bytes == 0 {
			continue
		}
		text := d.arrow + " " + size(float64(d.bytes))
		if d.rate >= 1 {
			text += " (" + size(d.rate) + "/s)"
		}
		cells = append(cells, cell{text: text})
	}
	return cells
}

// prose writes text, wrapped between words.
func (t *table) prose(indent string, pieces ...cell) {
	if t.width == 0 {
		t.line(indent, " ", pieces...)
		return
	}
	var words []cell
	for _, piece := range pieces {
		for word := range strings.FieldsSeq(piece.text) {
			words = append(words, cell{word, piece.ink})
		}
	}
	t.line(indent, " ", words...)
}

// line writes cells with a separator between them, wrapped between cells where they do not fit, and further lines indented
// by four more.
func (t *table) line(indent, separator string, cells ...cell) {
	t.out.WriteString(indent)
	column := len(indent)
	for i, c := range cells {
		text := c.text
		if i == len(cells)-1 {
			text = strings.TrimRight(text, " ")
		}
		if text == "" && i > 0 {
			continue
		}
		length := Columns(text)
		gap := Columns(separator)
		switch {
		case i == 0:
		case t.width > 0 && column+gap+length > t.width:
			t.out.WriteString("\n" + indent + "    ")
			column = len(indent) + 4
		default:
			t.out.WriteString(separator)
			column += gap
		}
		t.paint(text, c.ink)
		column += length
	}
	t.out.WriteByte('\n')
}

func (t *table) paint(text string, with ink) {
	if !t.color || with == plain {
		t.out.WriteString(text)
		return
	}
	fmt.Fprintf(&t.out, "\x1b[%sm%s\x1b[0m", with, text)
}

func (t *table) ago(since time.Time) string { return Span(t.now.Sub(since)) }

func inkOf(s monitor.State) ink {
	switch s {
	case monitor.Up:
		return green
	case monitor.Suspect, monitor.Connecting, monitor.Waiting:
		return yellow
	case monitor.Failed:
		return red
	}
	return dim
}

// sparkline draws round trips from the shortest to the longest of them.
func sparkline(rtts []monitor.Seconds) string {
	const bars, most = "▁▂▃▄▅▆▇█", 20
	rtts = rtts[max(0, len(rtts)-most):]
	if len(rtts) < 2 {
		return ""
	}
	low, high := rtts[0], rtts[0]
	for _, rtt := range rtts {
		low, high = min(low, rtt), max(high, rtt)
	}
	var line strings.Builder
	for _, rtt := range rtts {
		step := 0
		if high > low {
			step = int(7 * (float64(rtt) - float64(low)) / (float64(high) - float64(low))) // another process says them: any numbers
		}
		line.WriteRune([]rune(bars)[step])
	}
	return line.String()
}

// Span returns a time in its two largest units.
func Span(d time.Duration) string {
	d = max(0, d)
	day := 24 * time.Hour
	switch {
	case d >= day:
		return fmt.Sprintf("%dd %dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// length returns how long something took; what is shorter than a second is not nothing.
func length(d time.Duration) string {
	if d < time.Second {
		return monitor.Round(d).String()
	}
	return Span(d)
}

// size returns bytes in a unit of the SI.
func size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	for bytes >= 999.5 && i < len(units)-1 {
		bytes /= 1000
		i++
	}
	if i == 0 || bytes >= 99.5 {
		return fmt.Sprintf("%.0f %s", bytes, units[i])
	}
	return fmt.Sprintf("%.1f %s", bytes, units[i])
}
