package config

import (
	"fmt"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
)

// Error is a configuration that cannot be used. It is permanent: only an edit can mend it.
type Error struct {
	Source Source // zero where no file is to blame
	Text   string // one line: the word that is wrong and what is allowed
	Hint   string // what to type; may be empty
}

func (e *Error) Error() string {
	if e.Source.File == "" {
		return foreign.Own(e.Text).String()
	}
	return fmt.Sprintf("%s: %s", e.Source, foreign.Own(e.Text))
}

// Errors are several mistakes at once, in the order in which they stand in the files. It has at least two: a single one is
// returned as an *Error.
type Errors []*Error

// Error returns one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find an *Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// asError returns nil where there are no problems, the only one, or all as Errors.
func asError(problems []*Error) error {
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return problems[0]
	}
	return Errors(problems)
}

// LookupError is the failure to resolve a name as CanonicalizeHostname asks: the name is unknown, or the resolver cannot be
// reached. Unlike an Error it may pass.
type LookupError struct {
	Name string
	Err  error // of the resolver; nil where the name is just in none of CanonicalDomains
}

func (e *LookupError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("could not resolve host %q in any of CanonicalDomains", e.Name)
	}
	return fmt.Sprintf("could not resolve hostname %s: %v", foreign.Own(e.Name), foreign.Error(e.Err))
}

func (e *LookupError) Unwrap() error { return e.Err }
