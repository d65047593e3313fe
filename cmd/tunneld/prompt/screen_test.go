package prompt

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What is written while a person is asked comes behind the answer; where nobody looks at a terminal, nothing is held up.
func TestScreenWaitsForTheAnswer(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		var out bytes.Buffer
		s := &Screen{w: &out, terminal: terminal}
		fmt.Fprintln(s, "before")
		first, second := s.ask(), s.ask()
		fmt.Fprintln(s, "meanwhile")
		first()
		if held := out.String() == "before\n"; held != terminal || !s.Asking() {
			t.Errorf("terminal %v: %q, asking %v", terminal, out.String(), s.Asking())
		}
		second()
		fmt.Fprintln(s, "after")
		if out.String() != "before\nmeanwhile\nafter\n" || s.Asking() {
			t.Errorf("terminal %v: in the end %q", terminal, out.String())
		}
	}
}

// A question that nobody answers for days does not fill the memory; the last lines are the ones that are kept.
func TestScreenHoldsNotEverything(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{w: &out, terminal: true}
	answered := s.ask()
	for n := range 10_000 {
		fmt.Fprintf(s, "line %d of many\n", n)
	}
	if len(s.held) > mostHeld {
		t.Errorf("%d bytes are held", len(s.held))
	}
	answered()
	head, rest, _ := strings.Cut(out.String(), "\n")
	if !strings.HasSuffix(head, " lines left out while the question waited") || !strings.HasPrefix(rest, "line ") || !strings.HasSuffix(rest, "line 9999 of many\n") {
		t.Errorf("%s, then %.40q", head, rest)
	}
}

// Whoever leaves the terminal leaves no question behind, and nothing is written there any more.
func TestScreenThatIsLeft(t *testing.T) {
	var out bytes.Buffer
	s := &Screen{w: &out, terminal: true}
	s.ask()
	fmt.Fprintln(s, "held")
	s.Leave()
	fmt.Fprintln(s, "later")
	if out.String() != "held\n" {
		t.Errorf("%q", out.String())
	}
}
