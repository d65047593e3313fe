package lab

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Forwarded returns the alias and a forward that nobody uses.
func Forwarded(t *testing.T) []string {
	return []string{Alias, "-L", Loopback(FreePort(t)) + ":127.0.0.1:1"}
}

// TwoLines checks the end of what is said: the error, and the advice.
func TwoLines(t *testing.T, text, says string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) < 2 {
		t.Fatalf("said %q, want an error line and a hint line", text)
	}
	problem, hint := lines[len(lines)-2], lines[len(lines)-1]
	var last struct{ Err, Hint string } // with --log-format json it is one record
	if json.Unmarshal([]byte(hint), &last) == nil {
		problem, hint = "tunneld: "+last.Err, "tunneld: hint: "+last.Hint
	}
	if !strings.HasPrefix(problem, "tunneld: ") || strings.HasPrefix(problem, "tunneld: hint: ") {
		t.Errorf("last line but one is %q, want the error: tunneld: …", problem)
	}
	if !strings.HasPrefix(hint, "tunneld: hint: ") || hint == "tunneld: hint: " {
		t.Errorf("last line is %q, want advice: tunneld: hint: …", hint)
	}
	if !regexp.MustCompile(says).MatchString(problem + hint) {
		t.Errorf("neither %q nor %q says %q", problem, hint, says)
	}
}
