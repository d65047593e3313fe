package view

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestMovingLineMovesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 3100*time.Millisecond)
		defer cancel()
		MoveLine(ctx, &out, "db: waiting", 10*time.Second, func() int { return 80 })
		text := out.String()
		for _, want := range []string{"\r| db: waiting, 10s left", "\r/ db: waiting, ", ", 7s left"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %q", want, text)
			}
		}
		if !strings.HasSuffix(text, "\r"+eraseLine) || strings.Contains(text, "\n") {
			t.Errorf("the line stays: %q", text)
		}
	})
}

// On a narrow terminal the line was wrapped, and each time that it moved another line stayed.
func TestMovingLineFits(t *testing.T) {
	const text = "自動化 web: waiting up to 1m0s for 12 connections"
	for width := range 120 {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			MoveLine(ctx, &out, text, 10*time.Second, func() int { return width })
			for line := range strings.SplitSeq(out.String(), "\r") {
				line = strings.TrimSuffix(line, eraseLine)
				if n := Columns(line); n > max(0, width-1) {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
				if width > 20 && line != "" && !strings.HasSuffix(line, "s left") {
					t.Errorf("at %d it does not say how much is left: %q", width, line)
				}
				if width == 119 && line != "" && !strings.Contains(line, text) {
					t.Errorf("it is cut where there is room: %q", line)
				}
			}
		})
	}
}
