package view

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A text that was quoted on its way here, as the library quotes what a server says, is no escape sequence again in the end.
func TestLogOfATerminalDoesNotUnquote(t *testing.T) {
	for _, color := range []bool{false, true} {
		var screen bytes.Buffer
		log := slog.New(NewTerminalHandler(&screen, slog.LevelInfo, color)).With("tunnel", "db")
		log.Warn("connection lost", "err", errors.New(`ssh: disconnect, reason 2: "a \x1b]0;owned\a b \u202e"`), "n", 3)
		log.Debug("not shown")
		raw := "a \x1b[2J b\nc \u009b \x9b"
		log.WithGroup("g").Error("raw", "text", raw)
		shown := screen.String()
		for _, seq := range []string{"\x1b[2m", "\x1b[0m", "\x1b[91m", "\x1b[93m"} { // our own
			shown = strings.ReplaceAll(shown, seq, "")
		}
		if strings.ContainsAny(shown, "\x1b\a\r\u202e\u009b") || strings.Contains(shown, "\x9b ") || strings.Count(shown, "\n") != 2 {
			t.Errorf("%q", shown)
		}
		if !strings.Contains(shown, " WRN connection lost tunnel=db err=") || !strings.Contains(shown, " n=3\n") || !strings.Contains(shown, "g.text=") {
			t.Errorf("%q", shown)
		}
	}
}

// net/http reports a panic with its stack as one message of many lines.
func TestLogOfATerminalIsALineEach(t *testing.T) {
	var screen bytes.Buffer
	log := slog.NewLogLogger(NewTerminalHandler(&screen, slog.LevelInfo, false), slog.LevelWarn)
	log.Print("http: panic serving 127.0.0.1:1: oops\ngoroutine 1 [running]:\n\x1b[2Jmain.main()")
	if shown := screen.String(); strings.Count(shown, "\n") != 1 || strings.Contains(shown, "\x1b") {
		t.Errorf("%q", shown)
	}
}
