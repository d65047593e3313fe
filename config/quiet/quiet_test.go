package quiet

import "testing"

func TestLines(t *testing.T) {
	var l Lines
	const text = "Host a\nPort 1\n"
	f := l.Of("config", text, true)
	f.Note(2)
	f.Note(3) // what follows the last line
	for line, want := range map[int]bool{1: false, 2: true} {
		if got := l.Of("config", text, true).Is(line); got != want {
			t.Errorf("line %d: %t", line, got)
		}
	}
	if l.Of("config", text, false).Is(2) || l.Of("other", text, true).Is(2) || l.Of("config", text+" ", true).Is(2) {
		t.Error("another file is taken for it")
	}
	var none *Lines
	none.Of("config", text, true).Note(1)
	if none.Of("config", text, true).Is(1) {
		t.Error("nothing remembers")
	}
}
