package sk

import (
	"errors"
	"fmt"

	"github.com/tunneld/tunneld/config/foreign"
)

// ErrPIN says that the token wants a PIN, or another one than it was given.
var ErrPIN = errors.New("the token wants its PIN")

// MissingError says that there is no ssh-sk-helper.
type MissingError struct {
	Named string // by SSH_SK_HELPER; empty: it is in none of the usual places
	Err   error
}

func (e *MissingError) Error() string {
	if e.Named == "" {
		return "OpenSSH's ssh-sk-helper, which talks to the token, is not installed"
	}
	return fmt.Sprintf("SSH_SK_HELPER: %s: %v", foreign.Own(e.Named), e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// VersionError is a helper of another OpenSSH than we know.
type VersionError struct{ Got byte }

func (e *VersionError) Error() string {
	return fmt.Sprintf("ssh-sk-helper speaks version %d of its protocol, and tunneld version %d, that of OpenSSH 8.9 and later", e.Got, version)
}

// The codes of OpenSSH's ssherr.h that a helper is known to answer with.
const (
	codeInvalidFormat  = 4
	codeKeyUnknown     = 14
	codeWrongPIN       = 43
	codeUnsupported    = 59
	codeDeviceNotFound = 60
	codeNoPIN          = 61
)

// RefusalError is the helper's no.
type RefusalError struct {
	Code  uint32       // of OpenSSH's ssherr.h, without its sign
	Words foreign.Text // the last line of its standard error; may be empty
}

func (e *RefusalError) Error() string {
	text := fmt.Sprintf("the token does not sign: error %d", e.Code)
	switch e.Code {
	case codeInvalidFormat:
		text = "the token does not sign"
		if e.fromToken() {
			text += ": nobody has touched it in time, or it is another one"
		}
	case codeWrongPIN:
		text = ErrPIN.Error()
	case codeUnsupported, codeKeyUnknown:
		text = "the token or ssh-sk-helper does not know such keys"
	case codeDeviceNotFound:
		text = "no token with this key is plugged in"
	case codeNoPIN:
		text = "the token has no PIN yet, and the key wants one"
	}
	return withWords(text, e.Words)
}

// fromToken reports whether an error for which OpenSSH has no code of its own is the token's. The library's are said on standard error.
func (e *RefusalError) fromToken() bool {
	return e.Code == codeInvalidFormat && e.Words == foreign.Text{}
}

// Is makes errors.Is know ErrPIN.
func (e *RefusalError) Is(target error) bool { return target == ErrPIN && e.Code == codeWrongPIN }

// BrokenError is a helper that cannot be run, does not answer, or answers nonsense.
type BrokenError struct {
	Path  string
	Err   error
	Words foreign.Text // the last line of its standard error; may be empty
}

func (e *BrokenError) Error() string {
	return withWords(fmt.Sprintf("%s: %v", foreign.Own(e.Path), e.Err), e.Words)
}

func (e *BrokenError) Unwrap() error { return e.Err }

func withWords(text string, words foreign.Text) string {
	if said := words.String(); said != "" {
		return text + " (" + said + ")"
	}
	return text
}

// Passes reports whether err is of a kind that a later try may be rid of without a change to what is installed or configured: the
// token is plugged in, touched, no longer busy.
func Passes(err error) bool {
	refusal, broken := new(RefusalError), new(BrokenError)
	switch {
	case errors.As(err, &refusal):
		switch refusal.Code {
		case codeWrongPIN, codeUnsupported, codeKeyUnknown, codeNoPIN:
			return false
		case codeInvalidFormat:
			return refusal.fromToken()
		}
		return true
	case errors.As(err, &broken):
		return true
	}
	return false
}
