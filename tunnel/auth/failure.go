package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/auth/sk"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// Reasons of SSH_MSG_DISCONNECT that say no (RFC 4253 §11.1). sshd uses "protocol error" for too many tries.
const (
	disconnectProtocolError   = 2
	disconnectNoMoreMethods   = 14
	disconnectIllegalUserName = 15
)

// maxNamed is the number of keys that a message names.
const maxNamed = 8

// manyKeys is how many keys must have been refused before a server's limit on tries is the likely cause of a hang-up.
const manyKeys = 3

// Failure turns the error of ssh.NewClientConn into a *fault.Error. It is permanent only where the server refused and neither the
// agent, a token, the network nor the time had a part in it.
func (a *Attempt) Failure(err error) error {
	where := a.options.User + "@" + a.options.Address()
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		err = inner // the words say less than ours
	}
	result := &fault.Error{Phase: fault.PhaseAuth, Where: where}
	bye := Disconnected(err)
	if a.ctx.Err() == nil {
		a.hungUp(bye != nil && slices.Contains([]int{disconnectProtocolError, disconnectNoMoreMethods, disconnectIllegalUserName}, bye.Reason))
	}
	switch {
	case a.ctx.Err() != nil:
		result.Err = fmt.Errorf("authentication not finished: %w", context.Cause(a.ctx))
	case errors.Is(err, errRefused), saysNo(err):
		result.Err = a.refused(fmt.Errorf("%w %s", errRefused, a.story()))
		result.Permanent = a.agentFault() == nil && a.cardFault() == nil && !a.early()
		result.Hint = a.hint()
	case bye != nil && bye.Reason == disconnectProtocolError && a.refusals() > 0:
		result.Err = a.refused(fmt.Errorf("%w %s: %w", errRefused, a.story(), bye))
		result.Permanent = true
		result.Hint = a.tooManyHint()
	case bye != nil && (bye.Reason == disconnectNoMoreMethods || bye.Reason == disconnectIllegalUserName):
		result.Err = a.refused(fmt.Errorf("%w %s: %w", errRefused, a.story(), bye))
		result.Permanent = !a.early()
		result.Hint = a.hint()
	case bye != nil:
		result.Err = fmt.Errorf("server hung up during authentication: %w", bye)
	case errors.Is(err, ErrConnectionLost):
		result.Err = fmt.Errorf("%w during authentication", err)
	case errors.Is(err, errBroken):
		result.Err = fmt.Errorf("%w during authentication", err)
	case a.Dropped:
		result.Err = fmt.Errorf("connection lost during authentication: %w", err)
	default:
		result.Err = fmt.Errorf("%w during authentication: %w", errBroken, err)
	}
	if result.Hint == "" && !result.Permanent && a.refusals() >= manyKeys {
		result.Hint = a.tooManyHint()
	}
	return result
}

// RefusedError is a server's no, and what it would have taken.
type RefusedError struct {
	Methods []string // that the server allowed last, in its own words
	Err     error    // the story
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

func (a *Attempt) refused(err error) error { return &RefusedError{a.allowed, err} }

// DisconnectError is a server's goodbye, SSH_MSG_DISCONNECT (RFC 4253 §11.1).
type DisconnectError struct {
	Reason int
	Text   foreign.Text // the server's
}

// Error returns the server's text.
func (e *DisconnectError) Error() string { return e.Text.String() }

// Disconnected returns the goodbye that err stands for; nil: it stands for none. The type of the SSH library's error is not exported
// (messages.go; golang/go#39259), so this is decided by text, as only saysNo is besides.
func Disconnected(err error) *DisconnectError {
	if said := new(DisconnectError); errors.As(err, &said) {
		return said
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		rest, found := strings.CutPrefix(inner.Error(), "ssh: disconnect, reason ")
		if !found {
			continue
		}
		digits, quoted, _ := strings.Cut(rest, ": ")
		number, err := strconv.Atoi(digits)
		if err != nil {
			return nil
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			text = quoted
		}
		return &DisconnectError{number, foreign.Line(text)}
	}
	return nil
}

// refusals counts the tries that the server has refused.
func (a *Attempt) refusals() int {
	count := len(a.used)
	for _, offer := range a.offers {
		if offer.sent {
			count++
		}
	}
	return count
}

// agentFault returns the failure of the agent or of a token where that may be why no key was taken and may pass: the agent could not be
// asked although one of its keys might have been needed, or it or the token did not sign with a key that the server had accepted.
func (a *Attempt) agentFault() error {
	for _, offer := range a.offers {
		if errors.Is(offer.err, errAgent) || sk.Passes(offer.err) {
			return offer.err
		}
	}
	if a.agentErr == nil || a.ownKeyOffered() {
		return nil
	}
	return a.agentErr
}

// ownKeyOffered reports whether an identity file that somebody wrote was offered and has its private half at hand.
func (a *Attempt) ownKeyOffered() bool {
	return slices.ContainsFunc(a.offers, func(o *offer) bool {
		return o.sent && o.err == nil && o.candidate.explicit && !strings.HasSuffix(o.candidate.path, ".pub")
	})
}

// story returns what was tried: "publickey (offered 2 keys: …) and password; the server allows publickey,password".
func (a *Attempt) story() string {
	var parts []string
	if keys := a.offered(); len(keys) > 0 {
		number := fault.Count(len(keys), "key")
		if len(keys) > maxNamed {
			keys = append(keys[:maxNamed], fmt.Sprintf("and %d more", len(keys)-maxNamed))
		}
		parts = append(parts, fmt.Sprintf("publickey (offered %s: %s)", number, strings.Join(keys, ", ")))
	} else if slices.Contains(a.allowed, "publickey") && a.options.PubkeyAuthentication && slices.Contains(a.options.PreferredAuthentications, "publickey") {
		parts = append(parts, "publickey (no key to offer)")
	}
	methods := slices.Compact(slices.Sorted(slices.Values(a.used)))
	parts = append(parts, methods...)
	text := strings.Join(parts, " and ")
	if text == "" {
		text = "login"
	}
	text += "; the server allows " + foreign.Line(strings.Join(a.allowed, ",")).String()
	if len(a.skipped) > 0 {
		skipped := slices.Clone(a.skipped)
		slices.Sort(skipped)
		text += "; not offered: " + strings.Join(slices.Compact(skipped), ", ")
	}
	if a.agentErr != nil {
		text += "; agent not asked: " + a.agentErr.Error()
	}
	return text
}

// offered returns the name of each key that the server saw, and what went wrong where it would have taken the key.
func (a *Attempt) offered() []string {
	var keys []string
	for _, offer := range a.offers {
		text := offer.candidate.String()
		switch {
		case !offer.sent, offer.unannounced != "" && !offer.signed && offer.err == nil:
			text += " (no signature algorithm in common)"
		case offer.err != nil:
			text += " (accepted, but " + offer.err.Error() + ")"
		case early(offer.candidate.public) != "":
			text += " (" + early(offer.candidate.public) + ")"
		}
		if !slices.Contains(keys, text) {
			keys = append(keys, text)
		}
	}
	return keys
}
