package watch

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/view"
	"github.com/tunneld/tunneld/monitor"
)

// Control sequences of ECMA-48.
const (
	home      = "\x1b[H"
	clearLine = "\x1b[K"
	clearDown = "\x1b[J"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	plain     = "\x1b[0m"
)

// order is a way to sort tunnels.
type order struct {
	name    string
	compare func(a, b monitor.Status) int
}

var orders = []order{
	{"trouble", view.ByTrouble},
	{"name", func(a, b monitor.Status) int { return strings.Compare(a.Name, b.Name) }},
	{"round trip", func(a, b monitor.Status) int { return cmp.Compare(b.RTT, a.RTT) }},
	{"traffic", func(a, b monitor.Status) int { return cmp.Compare(b.RateIn+b.RateOut, a.RateIn+a.RateOut) }},
}

// screen is what is shown: a list of tunnels and, below or instead of it, all that there is to say of the chosen one.
type screen struct {
	width, height int
	color         bool

	machine  string
	at       time.Time
	problems []string         // lines that say what is missing
	tunnels  []monitor.Status // in order
	order    int              // of orders
	chosen   int              // of tunnels
	top      int              // the first of them that is shown
	open     bool             // the chosen one alone is shown
	scroll   int              // lines of it that are above the screen
}

// take shows another report. The chosen tunnel stays chosen where it is still there; where not, its details are closed.
func (s *screen) take(r monitor.Report, problems string) {
	s.machine, s.at = r.Machine, r.Time
	s.problems = strings.Split(strings.TrimSuffix(problems, "\n"), "\n")
	if problems == "" {
		s.problems = nil
	}
	s.sort(r.Tunnels)
}

func (s *screen) sort(tunnels []monitor.Status) {
	var before monitor.Status
	if s.chosen < len(s.tunnels) {
		before = s.tunnels[s.chosen]
	}
	s.tunnels = slices.Clone(tunnels)
	slices.SortStableFunc(s.tunnels, func(a, b monitor.Status) int {
		return cmp.Or(orders[s.order].compare(a, b), strings.Compare(a.Name, b.Name))
	})
	s.choose(s.chosen)
	same := func(t monitor.Status) bool { return t.Name == before.Name && t.Owner == before.Owner } // root sees two users' of one name
	i := slices.IndexFunc(s.tunnels, same)
	if i >= 0 && !same(s.tunnels[s.chosen]) {
		s.chosen = i
	}
	s.open = s.open && i >= 0
}

func (s *screen) choose(i int) { s.chosen = max(0, min(i, len(s.tunnels)-1)) }

// press does what a key is for, and reports whether it ends the watching.
func (s *screen) press(k key) (quit bool) {
	page := max(1, s.height-6)
	step, moves := map[key]int{keyUp: -1, keyDown: 1, keyPageUp: -page, keyPageDn: page, keyHome: -1 << 30, keyEnd: 1 << 30}[k]
	switch {
	case k == keyQuit:
		return true
	case k == keySort && !s.open:
		s.order = (s.order + 1) % len(orders)
		s.sort(s.tunnels)
		s.choose(0)
	case !s.open && (k == keyEnter || k == keyRight):
		s.open, s.scroll = len(s.tunnels) > 0, 0
	case k == keyEnter, k == keyEscape, k == keyLeft:
		s.open = false
	case moves && s.open:
		s.scroll = max(0, s.scroll+step) // details has an end
	case moves:
		s.choose(s.chosen + step)
	}
	return false
}

// text returns the screen, so that the terminal shows it in place of what it showed. It never scrolls.
func (s *screen) text() string {
	lines := s.lines()
	return home + strings.Join(lines, clearLine+"\r\n") + clearLine + clearDown
}

// lines returns at most as many lines as there are on the terminal.
func (s *screen) lines() []string {
	lines := []string{s.title()}
	for _, problem := range s.problems {
		lines = append(lines, s.cut(problem))
	}
	if s.height > 8 {
		lines = append(lines, "")
	}
	footer := s.height > 3
	room := s.height - len(lines)
	if footer {
		room--
	}
	room = max(0, room)
	var body []string
	var place string
	switch {
	case len(s.tunnels) == 0:
	case s.open:
		body, place = s.details(room, true)
	default:
		body, place = s.list(room)
	}
	lines = append(lines, body...)
	if footer {
		lines = lines[:min(len(lines), s.height-1)]
		lines = append(lines, s.footer(place))
	}
	return lines[:min(len(lines), max(1, s.height))]
}

func (s *screen) title() string {
	up := 0
	for _, t := range s.tunnels {
		if len(t.Unready()) == 0 {
			up++
		}
	}
	count := fmt.Sprintf("%d of %d up", up, len(s.tunnels))
	if len(s.tunnels) == 0 {
		count = "no tunnels"
	}
	text := s.at.Local().Format(time.TimeOnly) + "  " + count
	if s.machine != "" {
		text += "  " + s.machine
	}
	return s.paint(bold, s.cut(text))
}

func (s *screen) footer(place string) string {
	text := "q ends · ↑↓ choose · enter details · s sorts, now by " + orders[s.order].name
	if s.open {
		text = "q ends · ↑↓ scroll · enter back to the list"
	}
	if place != "" {
		text = place + " · " + text
	}
	return s.paint(dim, s.cut(text))
}

// list returns the tunnels around the chosen one, a line each, and below them what is to be said of that one as far as there is room.
func (s *screen) list(room int) (lines []string, place string) {
	rows := view.Rows(s.tunnels, s.at, max(1, s.width-2), s.color)
	heading, rows := rows[0], rows[1:]
	shown := max(1, min(len(rows), room-1))
	s.top = max(0, min(s.top, s.chosen, len(rows)-shown))
	if s.chosen >= s.top+shown {
		s.top = s.chosen - shown + 1
	}
	if shown < len(rows) {
		place = fmt.Sprintf("%d-%d of %d", s.top+1, s.top+shown, len(rows))
	}
	if room > 1 {
		lines = append(lines, "  "+heading)
	}
	for i := s.top; i < s.top+shown; i++ {
		mark := "  "
		if i == s.chosen {
			mark = s.paint(bold, "> ")
		}
		lines = append(lines, mark+rows[i])
	}
	if left := room - len(lines) - 1; left > 3 {
		more, _ := s.details(left, false)
		lines = append(append(lines, ""), more...)
	}
	return lines, place
}

// details returns what is to be said of the chosen tunnel, from the line on to which somebody has scrolled.
func (s *screen) details(room int, scrolled bool) (lines []string, place string) {
	var text bytes.Buffer
	if err := view.Table(&text, monitor.Report{Time: s.at, Tunnels: s.tunnels[s.chosen : s.chosen+1]}, s.width, s.color); err != nil {
		return []string{s.cut(err.Error())}, ""
	}
	lines = strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if !scrolled {
		if len(lines) > room {
			lines = append(lines[:room-1], s.paint(dim, fmt.Sprintf("    … %d more lines", len(lines)-room+1)))
		}
		return lines, ""
	}
	s.scroll = max(0, min(s.scroll, len(lines)-room))
	if len(lines) > room {
		place = fmt.Sprintf("lines %d-%d of %d", s.scroll+1, s.scroll+room, len(lines))
	}
	return lines[s.scroll:min(len(lines), s.scroll+max(0, room))], place
}

// cut returns text with no more columns than there are.
func (s *screen) cut(text string) string { return view.Clip(text, max(1, s.width)) }

func (s *screen) paint(with, text string) string {
	if !s.color {
		return text
	}
	return with + text + plain
}
