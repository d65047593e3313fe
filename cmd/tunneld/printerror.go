package main

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

// How tunneld talks to people. Every failure is one line that says what, where and why, and if there is something to do
// about it, a second one that says what to type:
//
//	tunneld: db: bob@10.0.0.1:22 refused publickey (offered 2 keys: ...)
//	tunneld: hint: ...
//
// Lower case, no full stop, no "failed to". Nothing secret.

// exitError is an error that says with which code the process ends.
type exitError struct {
	code int
	hint string
	err  error // nil: everything has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is a command line that makes no sense.
func usageError(cmd *cobra.Command, err error) error {
	if said := new(exitError); errors.As(err, &said) { // a flag that says itself what to do
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
			return &exitError{code: exitUsage, err: err, hint: "did you mean --" + near + "?"}
		}
	}
	return &exitError{code: exitUsage, err: err, hint: fmt.Sprintf("`%s --help` shows how it is used", cmd.CommandPath())}
}

// printError prints err for a person and returns the exit code that goes with it.
func printError(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return exit.code
	}
	for _, one := range flatten(err) {
		for line := range strings.Lines(one.Error()) {
			fmt.Fprintf(w, "tunneld: %s\n", strings.TrimRight(line, "\r\n"))
		}
		if hint := hintOf(one); hint != "" {
			fmt.Fprintf(w, "tunneld: hint: %s\n", strings.ReplaceAll(hint, "\n", "\ntunneld: hint: "))
		}
	}
	return exitCode(err)
}

// flatten returns the errors that were joined, each of which has its own hint.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, one := range joined.Unwrap() {
		list = append(list, flatten(one)...)
	}
	return list
}

func hintOf(err error) string {
	var exit *exitError
	if errors.As(err, &exit) && exit.hint != "" {
		return exit.hint
	}
	return fault.HintOf(err)
}

// complaint returns the attributes of err for the log, with what can be done about it.
func complaint(err error) []any {
	attrs := []any{"err", err}
	if hint := hintOf(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	return attrs
}

// exitCode tells the class of a failure by its type and phase.
func exitCode(err error) int {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var bad *config.Error
	if errors.As(err, &bad) {
		return exitUsage
	}
	var lookup *config.LookupError
	if errors.As(err, &lookup) {
		return exitGaveUp
	}
	switch fault.PhaseOf(err) {
	case fault.PhaseConfig, fault.PhaseListen:
		return exitUsage
	case fault.PhaseHandshake, fault.PhaseHostKey, fault.PhaseAuth:
		if fault.IsPermanent(err) {
			return exitRefused
		}
		return exitGaveUp
	}
	return exitGaveUp // also an error of no type: it may pass, and a supervisor starts us again
}
