package foreign

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzText makes anything safe: what comes out is a line, has an end, and stays what it is when it is made safe again.
func FuzzText(f *testing.F) {
	for _, words := range []string{
		"plain", "\x1b[2J\x1b]0;x\a", "a\r\nb\n\n", "\u009b31m", "\u202eabc", "\xff\xfe", strings.Repeat("ä", MaxLine), strings.Repeat(" ", 400) + "x", "\u2028\u2029\u0085",
		"\u3164\u115f\u2800", "\U000e0041", "e\u0301", "\x00", strings.Repeat("\n", 50) + "x", "\ufeffa", "a\u00adb",
	} {
		f.Add(words, 3)
	}
	f.Fuzz(func(t *testing.T, words string, most int) {
		if most < 0 || most > 100 {
			t.Skip()
		}
		line := Line(words)
		checkSafe(t, line.String(), MaxLine)
		if Line(line.String()) != line {
			t.Errorf("%q is %q, and that is %q", words, line, Line(line.String()))
		}
		if strings.Contains(line.String(), "  ") {
			t.Errorf("%q is %q", words, line)
		}
		checkSafe(t, Own(words).String(), max(4*len(words), 1))
		lines := Lines(words, most)
		if len(lines) > most+1 {
			t.Errorf("%q has %d lines", words, len(lines))
		}
		for _, one := range lines {
			checkSafe(t, one.String(), MaxLine)
		}
		decoded := map[string]any{words: []any{words, map[string]any{"a": words}}}
		Strings(&decoded)
		if text, err := json.Marshal(decoded); err == nil {
			checkSafe(t, string(text), 8*MaxLine*utf8.UTFMax)
		}
	})
}

func checkSafe(t *testing.T, text string, longest int) {
	t.Helper()
	if len(text) > longest || !utf8.ValidString(text) {
		t.Errorf("%q is too long, or no UTF-8", text)
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			t.Errorf("%q has %q in it", text, r)
		}
	}
}
