package config

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCursor(t *testing.T) {
	for _, c := range []struct {
		name, text string
		words      []string
		unclosed   bool
	}{
		{"blanks", "Port 22", []string{"Port", "22"}, false},
		{"tabs", "Host\ta\t b", []string{"Host", "a", "b"}, false},
		{"one equals sign", "Port=22", []string{"Port", "22"}, false},
		{"equals sign with blanks", "Port = 22", []string{"Port", "22"}, false},
		{"two equals signs", "Port==22", []string{"Port", "", "22"}, false},
		{"quotes", `host "a b" c`, []string{"host", "a b", "c"}, false},
		{"quote inside a word", `Port"22" x`, []string{"Port22", "x"}, false},
		{"quote takes equals in", `"a=b"`, []string{"a=b"}, false},
		{"leading blank", " Port", []string{"", "Port"}, false},
		{"unclosed", `Port "22`, []string{"Port"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cursor := cursor{rest: c.text}
			var words []string
			for {
				word, ok := cursor.next()
				if !ok {
					break
				}
				words = append(words, word)
			}
			for len(words) > 0 && len(c.words) < len(words) && words[len(words)-1] == "" { // the end of the line
				words = words[:len(words)-1]
			}
			if !slices.Equal(words, c.words) {
				t.Errorf("got %q, want %q", words, c.words)
			}
		})
	}
}

func TestSplitWords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		words      []string
		bad        bool
	}{
		{"blanks and tabs", "a  b\tc ", []string{"a", "b", "c"}, false},
		{"double quotes", `"a b" c"d"e`, []string{"a b", "cde"}, false},
		{"single quotes", `'a "b" c'`, []string{`a "b" c`}, false},
		{"escapes", `a\ b \" \' \\ \x`, []string{"a b", `"`, `'`, `\`, `\x`}, false},
		{"escaped blank in quotes", `"a\ b"`, []string{`a\ b`}, false},
		{"comment", "a #b c", []string{"a"}, false},
		{"number sign inside", "a#b", []string{"a#b"}, false},
		{"number sign in quotes", `"#a"`, []string{"#a"}, false},
		{"empty", `"" ''`, []string{"", ""}, false},
		{"unclosed double", `a "b`, nil, true},
		{"unclosed single", `it's`, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			words, err := splitWords(c.text, true)
			if (err != nil) != c.bad || !slices.Equal(words, c.words) {
				t.Errorf("got %q, %v; want %q", words, err, c.words)
			}
		})
	}
}

func TestJoinWordsIsTheReverseOfSplitWords(t *testing.T) {
	for _, words := range [][]string{{"a"}, {"a b", `c"d`, `e\`, "", "'", "#x", "\ty"}, {`\"`, `a\ b`}} {
		back, err := SplitWords(joinWords(words))
		if err != nil || !slices.Equal(back, words) {
			t.Errorf("%q became %q, %v", words, back, err)
		}
	}
}

func TestTrimLine(t *testing.T) {
	for text, want := range map[string]string{
		"Port 22 \t\r": "Port 22", "Port 22\f": "Port 22", "a\x00b": "a", "": "", " ": " ", "\f": "\f",
	} {
		equal(t, text, trimLine(text), want)
	}
}

// FuzzReader feeds anything to the reader, which must neither panic nor hang, and must say where a mistake is.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		"Host a\n Port 22\n", "Match host a user=b final\n\tUser x # y\n", "LocalForward [::1]:80 \"h\":80\r\n", "\"Port\" 22",
		"IPQoS=af11 ef\nRekeyLimit 1.5G 1h", "ProxyJump a,b@c:1,[::1]:2\nHostName %h.x", "CanonicalDomains a b\nTunneldEcho service:7",
		"IgnoreUnknown *\nx y", "SendEnv -* A\nSetEnv A=1 \"B=2 3\"", "Ciphers ^aes*\nMACs -*\nHostKeyAlgorithms +ssh-*,!x",
	} {
		f.Add(text, "a")
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		small := strings.ToLower(text)
		for _, outside := range []string{"exec", "include", "canonicaliz"} { // runs commands, reads files, asks the network
			if strings.Contains(small, outside) {
				t.Skip()
			}
		}
		p := newPerson(t)
		p.user(text)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, inspect := range []bool{true, false} {
			o, err := Resolve(ctx, Request{Destination: host, Environment: p.environment, Inspect: inspect})
			if ctx.Err() != nil {
				t.Fatal("took too long")
			}
			if (o == nil) == (err == nil) {
				t.Fatalf("options %v and error %v", o, err)
			}
			if o != nil {
				printed(t, o)
				if err := o.Explain(discard{}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
