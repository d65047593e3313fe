package autossh

import (
	"fmt"
	"strings"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
)

// A log file of autossh's is often one that nobody rotates, and a server that hangs up at once has autossh say the same few lines
// as often as AUTOSSH_POLL lets it. There is room for what autossh says with a POLL of its own, in good and in bad times, for ever:
// some 500 MB a year each of what autossh says, of its errors and of what ssh would say, and 2 GB of debugging output.
var (
	lineBudget  = loglimit.Budget{Burst: 1 << 20, Rate: 16, Resume: 8 << 10}
	debugBudget = loglimit.Budget{Burst: 4 << 20, Rate: 64, Resume: 32 << 10}
)

// mostKinds is how many kinds of lines are counted apart.
const mostKinds = 12

// tally lets lines through as far as its budget goes, and counts the others by what they say.
type tally struct {
	meter *loglimit.Meter
	since time.Time // of the first line that was left out and is not summed up yet
	kinds []kind    // in the order in which they came
}

type kind struct {
	words string
	count int
}

func newTally(b loglimit.Budget) *tally { return &tally{meter: loglimit.NewMeter(b)} }

// pass has write called with the line, or counts it. What was left out is summed up before the next line that is not.
func (t *tally) pass(now time.Time, words, line string, write func(string)) {
	const head = 60 // what a line has besides its text, about
	ok, lost := t.meter.Take(now, len(line)+head)
	if ok {
		t.sumUp(write)
		write(line)
		return
	}
	if lost == 1 {
		t.since = now
		write("too many lines for this log, some are left out from now on and will be summed up")
	}
	t.count(words)
}

func (t *tally) count(words string) {
	for i := range t.kinds {
		if t.kinds[i].words == words || i == mostKinds-1 {
			t.kinds[i].count++
			return
		}
	}
	if len(t.kinds) == mostKinds-1 {
		words = "others"
	}
	t.kinds = append(t.kinds, kind{words, 1})
}

// sumUp says how often each was left out, if any was.
func (t *tally) sumUp(write func(string)) {
	if len(t.kinds) == 0 {
		return
	}
	var list []string
	for _, k := range t.kinds {
		list = append(list, fmt.Sprintf("%d times %q", k.count, k.words))
	}
	t.kinds = nil
	write(fmt.Sprintf("lines left out since %s: %s", t.since.Format("2006/01/02 15:04:05"), strings.Join(list, ", ")))
}

// wordsOf returns what a line of autossh's has in common with others of its kind: the text without its numbers at the end.
func wordsOf(text string) string {
	text, _, _ = strings.Cut(text, " (")
	return strings.TrimRight(text, " 0123456789")
}
