// Package sk has keys sign that are in a FIDO token: it reads their files, which x/crypto does not know, and talks to OpenSSH's own
// ssh-sk-helper, which talks to the token. Nothing of the token's library is in this process.
package sk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/auth/helper"
)

// Patience is how long a helper may take where its Helper does not say: a token waits half a minute for a touch, and may begin anew.
const Patience = time.Minute

// Find returns the path of ssh-sk-helper: named, which is SSH_SK_HELPER, or where it is usually installed. The error is a
// *MissingError.
func Find(named string) (string, error) {
	path, err := helper.Find("ssh-sk-helper", named)
	if err != nil {
		return "", &MissingError{Named: named, Err: err}
	}
	return path, nil
}

// turn is held by whoever has a token sign. It is one for the process, as the tokens are.
var turn = helper.NewTurn()

// Turn waits until no other tunnel of this process has a token sign: a token serves one at a time, and who touches it should know for
// whom it blinks. free ends the turn. The error is the cause of ctx.
func Turn(ctx context.Context) (free func(), err error) { return turn.Take(ctx) }

// Helper is an ssh-sk-helper. It is run anew for each signature.
type Helper struct {
	Path     string        // of the program
	Provider string        // "internal", or the library by which it talks to the token
	Patience time.Duration // how long it may take; 0: Patience
	Log      *slog.Logger  // gets what it says on standard error, for debugging
}

// Sign has the token of key sign data; pin may be empty. It blocks until somebody touches the token where that is asked for, or
// patience or ctx is over. The error may be a *RefusalError, which is ErrPIN where the token wants a PIN or another one, a *VersionError, a
// *BrokenError, or the cause of ctx.
func (h Helper) Sign(ctx context.Context, key *Key, data []byte, pin string) (*ssh.Signature, error) {
	process, err := helper.Program{Path: h.Path, Secret: pin, Log: h.Log}.Start()
	if err != nil {
		return nil, &BrokenError{Path: h.Path, Err: fmt.Errorf("cannot be run: %w", err)}
	}
	defer process.Close()
	answer, err := process.Ask(ctx, cmp.Or(h.Patience, Patience), request(key, h.Provider, data, pin))
	process.Close() // it has said all, or nothing
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var signature *ssh.Signature
	if err = inWords(err); err == nil {
		signature, err = parseAnswer(answer)
	}
	if err == nil {
		err = check(key, data, signature)
	}
	refusal, other := new(RefusalError), new(VersionError)
	switch {
	case err == nil:
		return signature, nil
	case errors.As(err, &refusal):
		refusal.Words = process.Last()
		return nil, refusal
	case errors.As(err, &other):
		return nil, other
	}
	return nil, &BrokenError{Path: h.Path, Err: err, Words: process.Last()}
}

// inWords returns an error of (*helper.Process).Ask as it is told of a program of this path.
func inWords(err error) error {
	slow, size := new(helper.SlowError), new(helper.SizeError)
	switch {
	case errors.As(err, &slow):
		return fmt.Errorf("no answer within %v", slow.Limit)
	case errors.As(err, &size):
		return errNonsense
	case errors.Is(err, helper.ErrEnded):
		return errors.New("ended without an answer")
	}
	return err
}
