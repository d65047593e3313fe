package config

import (
	"strings"

	"github.com/tunneld/tunneld/config/algorithm"
)

// algorithmList takes a list of algorithms. A "+" before it appends to the default, "^" puts it in front, and "-" takes the
// names that match out.
func algorithmList(name string, kind *algorithm.Kind) keyword {
	return keyword{name: name, print: scalar, kind: kind, wants: "a comma-separated list of " + kind.What + "s", parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		if word[0] != '-' {
			if wrong, ok := kind.Check(algorithm.WithoutSign(word)); !ok {
				return l.fail("%q is not a %s; known are %s", wrong, kind.What, strings.Join(kind.All, ", "))
			}
		}
		l.set(name, word)
		return nil
	}}
}

func parseGSSAPIKex(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	for _, name := range algorithm.UntilEmpty(word) {
		if !strings.HasPrefix(name, "gss-") || !algorithm.IsGSSAPI(name) {
			return l.bad(name)
		}
	}
	l.set("GSSAPIKexAlgorithms", word)
	return nil
}
