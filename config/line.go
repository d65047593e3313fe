package config

import (
	"fmt"
	"strings"
)

// line is one option as it was read: the keyword, its arguments, and whether the block it stands in is active.
type line struct {
	r       *resolver
	source  Source
	keyword keyword
	written string   // the keyword as written, in lower case
	raw     string   // all that follows the keyword, for options that take the rest of the line
	args    []string // what is left of the arguments
	active  bool
	file    *file // nil for the command line
}

// next takes one argument. It returns "" where none is left; no option has that as a value.
func (l *line) next() string {
	word, _ := l.nextOK()
	return word
}

func (l *line) nextOK() (string, bool) {
	if len(l.args) == 0 {
		return "", false
	}
	word := l.args[0]
	l.args = l.args[1:]
	return word, true
}

// rest takes all that is left of the line as one text, without the "=" that may precede it.
func (l *line) rest() string {
	l.args = nil
	return strings.TrimLeft(l.raw, whitespace+"=")
}

// fail says what is wrong with the line and what is allowed.
func (l *line) fail(format string, args ...any) *Error {
	return &Error{Source: l.source, Text: l.keyword.name + ": " + fmt.Sprintf(format, args...)}
}

// missing says that the keyword needs an argument.
func (l *line) missing() *Error { return l.fail("an argument is missing; want %s", l.keyword.wants) }

// bad says that a word is not one that the keyword takes.
func (l *line) bad(word string) *Error { return l.fail("%q is not %s", word, l.keyword.wants) }

// set stores value for keyword if the line is active and the keyword has no value yet.
func (l *line) set(keyword, value string) {
	if !l.active {
		return
	}
	if !l.r.doc.set(keyword, value, l.source) {
		l.r.doc.trace.shadowed(l.source, keyword, value)
	}
}

// add stores one more value of keyword if the line is active.
func (l *line) add(keyword, value string) {
	if l.active {
		l.r.doc.add(keyword, value, l.source)
	}
}

// fromUser reports whether the line stands in the user's files or on the command line, not in the system's.
func (l *line) fromUser() bool { return l.file == nil || l.file.user }
