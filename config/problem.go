package config

import (
	"fmt"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
)

// Error is a configuration that cannot be used. It is permanent: only an edit mends it.
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

// Errors are several things that are wrong at once, in the order in which they stand. It is never empty; a single one comes
// as an *Error.
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

// asError is the error for problems: nil, the one, or all.
func asError(problems []*Error) error {
	switch len(problems) {
	case 0:
		return nil
	case 1:
		return problems[0]
	}
	return Errors(problems)
}

// LookupError is a name that the configuration wants resolved (CanonicalizeHostname) and that the resolver does not know or
// cannot be asked about now. Unlike an Error it may go away by itself.
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
