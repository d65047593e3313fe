package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ name, words, want string }{
		{"plain", "Permission denied (publickey).", "Permission denied (publickey)."},
		{"other scripts", "自動 Zürich مرحبا 🔑", "自動 Zürich مرحبا 🔑"},
		{"colour", "\x1b[31mred\x1b[0m", "[31mred[0m"},
		{"title", "a\x1b]0;owned\x07b", "a]0;ownedb"},
		{"C1", "a\u009b31mb\u0085c", "a31mb c"},
		{"raw C1 bytes", "a\x9b31mb\x9d", "a?31mb?"},
		{"no UTF-8", "a\xff\xfeb\xc3", "a?b?"},
		{"lines", "one\r\ntunneld: hint: type curl\nthree", "one tunneld: hint: type curl three"},
		{"other line ends", "a\u2028b\u2029c\vd\fe", "a b c d e"},
		{"over the line", "good\rbad\b\b\bx", "good badx"},
		{"direction", "a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		{"invisible", "a\u200bb\u00adc\ufeffd\U000e0041e", "abcde"},
		{"blanks", "  a \t  b\u00a0\u3000\u2800\u3164c  ", "a b c"},
		{"delete and NUL", "a\x7fb\x00c", "abc"},
		{"nothing", "\x1b\x07", ""},
	} {
		if got := Line(c.words).String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLineHasAnEnd(t *testing.T) {
	for _, words := range []string{strings.Repeat("x", 1<<20), strings.Repeat("é", 5000), strings.Repeat("漢", 5000)} {
		got := Line(words).String()
		if len(got) > MaxLine || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-8:])
		}
	}
}

func TestQuoted(t *testing.T) {
	for words, want := range map[string]string{
		"/a/b.c-d_1": "/a/b.c-d_1", "~/.ssh/x": "~/.ssh/x", "": "''", "it's": `'it'\''s'`, "a b": "'a b'", "x; rm -rf ~": "'x; rm -rf ~'", "$(x)\ny\x1b[2J": "'$(x) y[2J'",
	} {
		if got := Quoted(words).String(); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for words, want := range map[string]string{"abc": "abc", "abcdefgh": "abcdefgh", "abcdefghi": "abcde…", "漢漢漢": "漢…"} {
		if got := Line(words).Short(8).String(); got != want {
			t.Errorf("%s: %q, want %q", words, got, want)
		}
	}
}

func TestLinesStayLines(t *testing.T) {
	words := "\r\n  +-----+\r\n  | hi\x1b[2J |\n\n  +-----+   \n\n\n"
	if got := fmt.Sprintf("%q", Lines(words, 10)); got != `["  +-----+" "  | hi[2J |" "" "  +-----+"]` {
		t.Error(got)
	}
	if got := fmt.Sprint(Lines("a\nb\nc\nd", 2)); got != "[a b …]" {
		t.Error(got)
	}
	if got := Lines("\n\n\r\n", 3); got != nil {
		t.Errorf("%q", got)
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := Error(fmt.Errorf("he said \x1b[2J\nno: %w", io.EOF))
	if err.Error() != "he said [2J no: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("%q", err)
	}
	if Error(nil) != nil {
		t.Error("an error out of nothing")
	}
}

func TestStringsReachesAll(t *testing.T) {
	type kind string
	type inner struct {
		Kind kind
		When time.Time
	}
	v := struct {
		Name  string
		List  []inner
		Next  *inner
		Pairs map[string]string
		Any   any
		Loose []any
		None  *inner
	}{
		"a\x1b", []inner{{Kind: "b\n"}}, &inner{Kind: "c\u202e"}, map[string]string{"d\x07": "e\x9b"}, "f\r", []any{"g\x1b", 1.5, nil}, nil,
	}
	v.Next.When = time.Now()
	Strings(&v)
	text, _ := json.Marshal(v)
	if bad := strings.IndexFunc(string(text), func(r rune) bool { return !unicode.IsPrint(r) }); bad >= 0 || strings.Contains(string(text), `\u`) || strings.Contains(string(text), `\n`) {
		t.Errorf("%s", text)
	}
	if v.Pairs["d"] != "e?" || v.Any != "f" || v.Loose[1] != 1.5 {
		t.Errorf("%+v", v)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b[2J\n\u202e\x9b b")
	f.Add(strings.Repeat("é", 600))
	f.Fuzz(func(t *testing.T, words string) {
		once := Line(words)
		if Line(once.String()) != once {
			t.Errorf("not the same twice: %q", once)
		}
		for _, text := range append(Lines(words, 5), once) {
			if len(text.String()) > MaxLine || !utf8.ValidString(text.String()) ||
				strings.ContainsFunc(text.String(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q", text)
			}
		}
	})
}
