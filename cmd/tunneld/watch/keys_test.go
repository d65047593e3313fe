package watch

import (
	"strings"
	"testing"
)

// keysOf returns the keys of what was typed, and what is left of it.
func keysOf(typed string, complete bool) (keys []string, rest string) {
	left := []byte(typed)
	for len(left) > 0 {
		k, rest := nextKey(left, complete)
		if len(rest) == len(left) {
			break
		}
		keys, left = append(keys, string(k)), rest
	}
	return keys, string(left)
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		typed    string
		complete bool
		keys     string
		rest     string
	}{
		{"q", false, "quit", ""},
		{"jk\r", false, "down,up,enter", ""},
		{"\x03", false, "quit", ""},
		{"\x1a", false, "stop", ""},
		{"\x1b[A\x1b[B\x1bOA", false, "up,down,up", ""},
		{"\x1b[5~\x1b[6~\x1b[1~\x1bOF", false, "page up,page down,home,end", ""},
		{"\x1b", false, "", "\x1b"},
		{"\x1b", true, "escape", ""},
		{"\x1b[", false, "", "\x1b["},
		{"\x1b[5", false, "", "\x1b[5"},
		{"\x1b[5", true, "", ""},
		{"\x1b[1;5Aq", false, ",quit", ""}, // Ctrl-↑ means nothing
		{"\x1bq", false, "escape,quit", ""},
		{"xö", false, ",,", ""},
		{"\x1b[" + strings.Repeat("1", 40), false, "", ""}, // no sequence is so long
	} {
		keys, rest := keysOf(c.typed, c.complete)
		if got := strings.Join(keys, ","); got != c.keys || rest != c.rest {
			t.Errorf("%q: %s and %q left, want %s and %q", c.typed, got, rest, c.keys, c.rest)
		}
	}
}

// FuzzKeys reads whatever is typed to its end.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[A\x1bOq\x1b["))
	f.Fuzz(func(t *testing.T, typed []byte) {
		if _, rest := keysOf(string(typed), true); rest != "" {
			t.Errorf("%q is left of %q", rest, typed)
		}
		_, rest := keysOf(string(typed), false)
		if rest != "" && (rest[0] != escape || len(rest) > 32) {
			t.Errorf("%q is left of %q", rest, typed)
		}
	})
}
