package helper

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func listening(p Program) *words { return &words{program: p, mark: make(chan struct{}, 1)} }

// What the helper says is one line in the end, has no PIN in it, and no debugging.
func TestWords(t *testing.T) {
	w := listening(Program{Secret: "1234", Noted: "C_Login failed: "})
	for _, part := range []string{"debug1: hello\r\n", "C_Log", "in 1234 failed: 160\r\n", "debug1: bye\r\n" + strings.Repeat("x", 3*maxLine)} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if got := w.last().String(); got != "C_Login … failed: 160" {
		t.Errorf("%q", got)
	}
}

func TestLastLine(t *testing.T) {
	for said, want := range map[string]string{
		"":                             "",
		"one\ntwo\n":                   "two",
		"one\n\r\n \n":                 "one",
		"one\nhalf":                    "one",
		"half":                         "half",
		"debug1: half":                 "",
		"debug1: one\n":                "",
		"red \x1b[31mtext\a\r\n":       "red [31mtext",
		"with \x00 a mark\n":           "with a mark",
		"12\x1b34 or 1234\n":           "… or …",
		strings.Repeat("x", 5*maxLine): strings.Repeat("x", maxLine),
	} {
		w := listening(Program{Secret: "1234"})
		for _, b := range []byte(said) { // in the smallest parts
			w.Write([]byte{b})
		}
		if got := w.last().String(); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}

func TestNotedLines(t *testing.T) {
	w := listening(Program{Secret: "160", Noted: "failed: "})
	fmt.Fprintf(w, "C_Login failed: 160\r\nfailed\r\ndebug1: failed: 164\r\nfailed: %s\r\n", strings.Repeat("x", maxLine))
	if got, want := w.noted(), []string{"160", "164", strings.Repeat("x", maxBehind)}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	fmt.Fprint(w, strings.Repeat("failed: 1\n", 10*maxNoted))
	if got := len(w.noted()); got != maxNoted {
		t.Errorf("%d lines are noted", got)
	}
}

// The log gets the first words, for debugging, and whoever never stops is not listened to.
func TestWordsHaveAnEnd(t *testing.T) {
	var log bytes.Buffer
	w := listening(Program{Path: "/lib/the-helper", Secret: "1234", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	line := []byte("the PIN is 1234\x1b[2J\n")
	written := 0
	for {
		n, err := w.Write(bytes.Repeat(line, 100))
		if written += n; err != nil {
			break
		}
		if written > 2*maxWords {
			t.Fatal("it is listened to for ever")
		}
	}
	text := log.String()
	if !strings.HasPrefix(text[strings.Index(text, "level="):], `level=DEBUG msg="helper says" program=the-helper stderr="the PIN is …[2J"`) {
		t.Errorf("the log begins with %.200s", text)
	}
	if lines := strings.Count(text, "\n"); lines > maxTold/len(line) || strings.Contains(text, "1234") {
		t.Errorf("%d lines in the log", lines)
	}
}
