package pkcs11

import (
	"fmt"

	"github.com/tunneld/tunneld/config/foreign"
)

// Code is why the helper has no keys of a library (ssh-pkcs11.h of OpenSSH).
type Code uint32

// What the helper tells apart. Whatever goes wrong with a single token is CodeNothing in its answers: a PIN that it wants, and that it
// has no key. That a token does not take the PIN, it only says (see judgement).
const (
	CodeNothing     Code = 0
	CodeLibrary     Code = 1 // the library cannot be used
	CodePINRefused  Code = 2
	CodeNoToken     Code = 3 // no slot has a token in it
	CodePINRequired Code = 4
	CodePINLocked   Code = 5
)

func (c Code) String() string {
	switch c {
	case CodeNothing:
		return "no key without a PIN, or with this one"
	case CodePINRefused:
		return "PIN refused"
	case CodeNoToken:
		return "no token in any slot"
	case CodePINRequired:
		return "PIN required"
	case CodePINLocked:
		return "PIN locked"
	}
	return "the library cannot be used"
}

// RefusedError is the helper's word that there are no keys.
type RefusedError struct {
	Code Code
	Said foreign.Text // what the helper wrote about it last; may be empty
}

// Error returns the reason with the helper's words.
func (e *RefusedError) Error() string {
	if said := e.Said.String(); said != "" {
		return e.Code.String() + " (" + said + ")"
	}
	return e.Code.String()
}

// MissingError says that there is no ssh-pkcs11-helper.
type MissingError struct {
	Program string // what was looked for
	Err     error
}

func (e *MissingError) Error() string { return fmt.Sprintf("%s cannot be run: %v", e.Program, e.Err) }

func (e *MissingError) Unwrap() error { return e.Err }

// HelperError is a helper that does not work, or does not do what it should.
type HelperError struct {
	Err  error        // "has ended"
	Said foreign.Text // what it wrote last; may be empty
}

// Error returns how the helper fails, with its words.
func (e *HelperError) Error() string {
	text := program + " " + e.Err.Error()
	if said := e.Said.String(); said != "" {
		text += " (" + said + ")"
	}
	return text
}

func (e *HelperError) Unwrap() error { return e.Err }
