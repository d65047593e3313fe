package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// hearing is a person who answers everything and notes what was shown.
type hearing struct{ shown *[]string }

func (h hearing) Secret(_ context.Context, prompt string) (string, error) {
	*h.shown = append(*h.shown, prompt)
	return "answer", nil
}

func (h hearing) Confirm(_ context.Context, prompt, _ string) (bool, error) {
	*h.shown = append(*h.shown, prompt)
	return false, nil
}

// FuzzLoginWords takes what a server says during authentication: its banner, its questions, the methods it allows, and the
// reason for which it hangs up.
func FuzzLoginWords(f *testing.F) {
	for _, text := range []string{
		"Password: ", "\x1b[2J\u202eevil", "a\nb\tc\r\n", "\xff\xfe", "\u009b31m", strings.Repeat("x", 3000), "publickey,\x1b]0;x\a,password", "x\ntunneld: hint: y",
	} {
		f.Add(text, uint32(2))
		f.Add(text, uint32(14))
	}
	o := &config.Options{HostName: "host.example", Port: 22, User: "bob", StrictHostKeyChecking: config.StrictYes, UpdateHostKeys: config.UpdateNo}
	o.NumberOfPasswordPrompts, o.KbdInteractiveAuthentication = 3, true
	f.Fuzz(func(t *testing.T, text string, reason uint32) {
		var log bytes.Buffer
		var shown []string
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		a, err := NewCredentials(hearing{&shown}, logger).Begin(t.Context(), o, logger)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if err := a.banner(text); err != nil {
			t.Fatal(err)
		}
		if answers, err := a.challenge(text, text, []string{text, "again"}, []bool{false, true}); err != nil || len(answers) != 2 {
			t.Fatalf("%q was answered with %q, %v", text, answers, err)
		}
		for _, prompt := range shown {
			if strings.ContainsFunc(prompt, func(r rune) bool {
				return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
			}) {
				t.Errorf("a person was shown %q", prompt)
			}
		}
		a.allowed = strings.Split(text, ",")
		said := fmt.Errorf("ssh: handshake failed: %w", fmt.Errorf("ssh: disconnect, reason %d: %q", reason, text))
		for _, end := range []error{said, errRefused, errors.New("x")} {
			err := a.Failure(end)
			sshtest.Plain(t, err)
			sshtest.PlainText(t, fault.HintOf(err))
		}
		if bye := Disconnected(said); bye == nil || uint32(bye.Reason) != reason {
			t.Errorf("reason %d was read as %+v", reason, bye)
		}
		for line := range strings.Lines(log.String()) {
			sshtest.PlainText(t, strings.TrimSuffix(line, "\n"))
		}
	})
}
