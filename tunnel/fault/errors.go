package fault

import (
	"errors"
	"fmt"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// Phase is the step of a tunnel's life that failed. Decisions are made by phase and type, never by text.
type Phase string

// The phases, in the order in which a tunnel goes through them.
const (
	PhaseConfig    Phase = "config"         // parse, unknown keyword, nothing to forward
	PhaseListen    Phase = "listen"         // a local listener cannot be bound
	PhaseDial      Phase = "dial"           // DNS, TCP, ProxyCommand, jump host
	PhaseHandshake Phase = "handshake"      // version exchange and key exchange
	PhaseHostKey   Phase = "host key"       // unknown, changed or revoked host key
	PhaseAuth      Phase = "authentication" // the server or the agent refuses
	PhaseForward   Phase = "forward"        // the server refuses a remote listener
	PhaseSession   Phase = "session"        // an established connection is lost
)

// Error is the end of an attempt or of a session.
type Error struct {
	Phase     Phase
	Permanent bool   // it is useless to try again before a person has changed something
	Where     string // the peer or object, for example "bob@10.0.0.1:22"; may be empty
	Err       error
	Hint      string // what a person can type or change; may be empty
}

// Error returns one line: the names of files and hosts in it are made safe, as somebody else may have chosen them.
func (e *Error) Error() string {
	if e.Where == "" {
		return foreign.Own(e.Err.Error()).String()
	}
	return foreign.Own(fmt.Sprintf("%s: %v", e.Where, e.Err)).String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// PhaseOf returns the phase of err: PhaseConfig for a *config.Error, empty where err carries none.
func PhaseOf(err error) Phase {
	var e *Error
	if errors.As(err, &e) {
		return e.Phase
	}
	var c *config.Error
	if errors.As(err, &c) {
		return PhaseConfig
	}
	return ""
}

// IsPermanent reports whether it is useless to try again before a person has changed something.
func IsPermanent(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Permanent
	}
	return PhaseOf(err) == PhaseConfig
}

// HintOf returns the advice that goes with err, or "".
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Hint != "" {
		return foreign.Own(e.Hint).String()
	}
	var c *config.Error
	if errors.As(err, &c) {
		return c.Hint
	}
	return ""
}

// PlainError is an error with another text.
type PlainError struct {
	Text string
	Err  error
}

func (e *PlainError) Error() string { return e.Text }

func (e *PlainError) Unwrap() error { return e.Err }

// ShellQuote returns word so that it can be pasted into a shell.
func ShellQuote(word string) string { return foreign.Quoted(word).String() }
