// Package foreign makes the words of strangers fit to be shown: what a server says, whoever is on the path to it, a proxy
// command that passes a server's words on, an agent, the control socket of another user's process, the client of a -D port.
//
// The rule of the house: foreign words become a Text, or an error a foreign Error, at the border where they come in, and
// never where they are printed. Whoever prints does not ask where a text is from; what is not safe cannot get that far.
// What has to stay as it is for use, such as a name that a SOCKS client asks for, is made a Text where it enters a message.
//
// A Text is one line, holds nothing that a terminal would act upon or that changes the direction of writing, and is of bounded
// length unless it is our own: it can neither forge, hide or move a line of ours, nor fill a log.
//
// It is a leaf below config, with a narrow door, because all floors of the house meet strangers.
package foreign

import (
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine is the length in bytes of the longest Text; what is beyond it is cut off and an ellipsis says so.
const MaxLine = 1024

// Text is what a stranger said, fit to be shown. The zero value is empty.
type Text struct{ safe string } // only this package fills it

// Line returns words as one line with single blanks: a long run of blanks could push what follows to the start of the next row of
// a terminal, where it would look like a line of ours. Line of a Text's words returns the same Text.
func Line(words string) Text {
	return Text{cut(strings.TrimSpace(single(printable(words))))}
}

// Own returns words of the configuration or the command line as one line, of any length and with their blanks. They are rarely an
// attack, but a file may be shared, and its name may be somebody else's choice.
func Own(words string) Text { return Text{printable(words)} }

// Lines returns words of several lines, such as a banner, as a Text for each line, without blanks at the ends of lines and without
// empty lines at the start and the end. Where there are more than most lines, an extra last one says so.
func Lines(words string, most int) []Text {
	var lines []Text
	for line := range strings.SplitSeq(strings.ReplaceAll(words, "\r\n", "\n"), "\n") {
		text := cut(strings.TrimRight(printable(line), " "))
		if text == "" && len(lines) == 0 {
			continue
		}
		if len(lines) == most {
			lines = append(lines, Text{ellipsis})
			break
		}
		lines = append(lines, Text{text})
	}
	for len(lines) > 0 && lines[len(lines)-1].safe == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Short returns a Text of at most so many bytes, which must be 3 or more; an ellipsis says where it was longer.
func (t Text) Short(most int) Text { return Text{cutTo(t.safe, most)} }

// String returns the words.
func (t Text) String() string { return t.safe }

// MarshalText implements encoding.TextMarshaler.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.safe), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Text) UnmarshalText(words []byte) error {
	*t = Line(string(words))
	return nil
}

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.safe) }

// Error returns err with its text as a Text; nil for nil. errors.Is and errors.As see through it.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return &foreignError{Line(err.Error()), err}
}

type foreignError struct {
	text Text
	err  error
}

func (e *foreignError) Error() string { return e.text.safe }
func (e *foreignError) Unwrap() error { return e.err }

// printable leaves out what is not for the eye: control characters of both sets (C0, C1), marks of direction, invisible
// ones, unassigned ones. Line ends and all kinds of blanks become blanks, bytes that are no UTF-8 question marks.
func printable(words string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Z, r), looksBlank(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, strings.ToValidUTF8(words, "?"))
}

// looksBlank knows the letters and symbols of Unicode that show nothing.
func looksBlank(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f':
		return true
	}
	return false
}

// single makes each run of blanks one.
func single(text string) string {
	var b strings.Builder
	blank := false
	for _, r := range text {
		if r != ' ' || !blank {
			b.WriteRune(r)
		}
		blank = r == ' '
	}
	return b.String()
}

const ellipsis = "…"

// cut shortens a text that is too long.
func cut(text string) string { return cutTo(text, MaxLine) }

// cutTo shortens a text of more than most bytes, between two characters.
func cutTo(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
