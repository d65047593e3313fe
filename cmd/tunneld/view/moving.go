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
func MoveLine(ctx context.Context, out io.Writer, text string, most time.Duration) {
	tick := time.NewTicker(moveEvery)
	defer tick.Stop()
	defer fmt.Fprint(out, "\r"+eraseLine)
	began := time.Now()
	for n := 0; ; n++ {
		left := max(0, most-time.Since(began)).Round(time.Second)
		fmt.Fprintf(out, "\r%c %s, %s left%s", []rune(`|/-\`)[n%4], text, left, eraseLine)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
