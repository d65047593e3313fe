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
		MoveLine(ctx, &out, "db: waiting", 10*time.Second)
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
