// Package exit is about how a command ends: its exit code, and what it tells people. Every failure is one line that says what, where
// and why, and if there is something to do about it, a second one that says what to type:
//
//	tunneld: db: bob@10.0.0.1:22 refused publickey (offered 2 keys: ...)
//	tunneld: hint: ...
//
// Lower case, no full stop, no "failed to". Nothing secret.
package exit

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Exit codes. They are a contract: systemd's RestartPreventExitStatus and people's scripts rely on them.
const (
	OK      = 0 // asked to stop; check and health: all good
	GaveUp  = 1 // a limit was set and reached, or not healthy
	Usage   = 2 // usage, configuration, a local port
	Refused = 3 // host key, authentication, no common algorithm
)

// Error is an error that says with which code the process ends.
type Error struct {
	Code int
	Hint string
	Err  error // nil: everything has been said
}

// Error returns the text of the error, or the code where everything has been said.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap is for the errors package.
func (e *Error) Unwrap() error { return e.Err }

// UsageError is a command line that makes no sense.
func UsageError(cmd *cobra.Command, err error) error {
	if said := new(Error); errors.As(err, &said) { // a flag that says itself what to do
		return said
	}
	if unknown := new(pflag.NotExistError); errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := config.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return &Error{Code: Usage, Err: err, Hint: "did you mean --" + near + "?"}
		}
	}
	return &Error{Code: Usage, Err: err, Hint: fmt.Sprintf("`%s --help` shows how it is used", cmd.CommandPath())}
}

// NoArgs is for commands that take no words besides flags: cobra's own takes such a word for a command.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return UsageError(cmd, fmt.Errorf("%q: `%s` takes no words besides flags", args[0], cmd.CommandPath()))
}

// Print prints err for a person and returns the exit code that goes with it.
func Print(w io.Writer, err error) int {
	if err == nil {
		return OK
	}
	var exit *Error
	if errors.As(err, &exit) && exit.Err == nil {
		return exit.Code
	}
	for _, one := range Flatten(err) {
		for line := range strings.Lines(one.Error()) {
			fmt.Fprintf(w, "tunneld: %s\n", strings.TrimRight(line, "\r\n"))
		}
		if hint := HintOf(one); hint != "" {
			fmt.Fprintf(w, "tunneld: hint: %s\n", strings.ReplaceAll(hint, "\n", "\ntunneld: hint: "))
		}
	}
	return Code(err)
}

// Join is errors.Join without the errors that say what one before them does: a mistake in a file is met with each alias.
func Join(errs ...error) error {
	var list []error
	said := make(map[string]bool)
	for _, err := range errs {
		if err != nil && !said[err.Error()] {
			said[err.Error()] = true
			list = append(list, err)
		}
	}
	return errors.Join(list...)
}

// Flatten returns the errors that were joined, each of which has its own hint.
func Flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, one := range joined.Unwrap() {
		list = append(list, Flatten(one)...)
	}
	return list
}

// HintOf returns what can be done about err; empty: nobody knows.
func HintOf(err error) string {
	var exit *Error
	if errors.As(err, &exit) && exit.Hint != "" {
		return exit.Hint
	}
	return fault.HintOf(err)
}

// Complaint returns the attributes of err for the log, with what can be done about it.
func Complaint(err error) []any {
	attrs := []any{"err", err}
	if hint := HintOf(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	return attrs
}

// Code returns the exit code for err, by its type and phase.
func Code(err error) int {
	var exit *Error
	if errors.As(err, &exit) {
		return exit.Code
	}
	var bad *config.Error
	if errors.As(err, &bad) {
		return Usage
	}
	var lookup *config.LookupError
	if errors.As(err, &lookup) {
		return GaveUp
	}
	switch fault.PhaseOf(err) {
	case fault.PhaseConfig, fault.PhaseListen:
		return Usage
	case fault.PhaseHandshake, fault.PhaseHostKey, fault.PhaseAuth:
		if fault.IsPermanent(err) {
			return Refused
		}
		return GaveUp
	}
	return GaveUp // also an error of no type: it may pass, and a supervisor starts us again
}
