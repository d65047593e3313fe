package view

import (
	"context"
	"fmt"
	"io"
	"time"
)

// moveEvery is how often a line moves.
const moveEvery = 200 * time.Millisecond

// eraseLine is EL of ECMA-48: to the end of the line.
const eraseLine = "\x1b[K"

// MoveLine shows text, how much is left of most, and that time passes, in a line of a terminal until ctx ends, and removes it then.
// width returns how many columns the terminal has, which may change: a line that it wrapped would stay, each time it moves.
func MoveLine(ctx context.Context, out io.Writer, text string, most time.Duration, width func() int) {
	tick := time.NewTicker(moveEvery)
	defer tick.Stop()
	defer fmt.Fprint(out, "\r"+eraseLine)
	began := time.Now()
	for n := 0; ; n++ {
		left := max(0, most-time.Since(began)).Round(time.Second)
		fmt.Fprint(out, "\r"+fitLine(string(`|/-\`[n%4]), text, fmt.Sprintf(", %s left", left), width()-1)+eraseLine) // in the last column it may wrap
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// fitLine returns a line of at most so many columns. It is the middle of it that is cut.
func fitLine(start, text, end string, most int) string {
	text = cutTo(text, max(1, most-Columns(start)-1-Columns(end)))
	return Clip(start+" "+text+end, most)
}
