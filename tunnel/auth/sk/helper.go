// Package sk has keys sign that are in a FIDO token: it reads their files, which x/crypto does not know, and talks to OpenSSH's own
// ssh-sk-helper, which talks to the token. Nothing of the token's library is in this process.
package sk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/procgroup"
)

// Patience is how long a helper may take where its Helper does not say: a token waits half a minute for a touch, and may begin anew.
const Patience = time.Minute

// heirs is how long the end of a helper is waited for that has left a child with its standard error.
const heirs = 100 * time.Millisecond

// places are where ssh-sk-helper is installed: by Debian, Fedora, Arch and Alpine, the BSDs and macOS, by hand, Homebrew and Nix.
var places = []string{
	"/usr/lib/openssh/ssh-sk-helper",
	"/usr/libexec/openssh/ssh-sk-helper",
	"/usr/lib/ssh/ssh-sk-helper",
	"/usr/libexec/ssh-sk-helper",
	"/usr/local/libexec/ssh-sk-helper",
	"/opt/homebrew/opt/openssh/libexec/ssh-sk-helper",
	"/run/current-system/sw/libexec/ssh-sk-helper",
}

// Find returns the path of ssh-sk-helper: named, which is SSH_SK_HELPER, or where it is usually installed. The error is a
// *MissingError.
func Find(named string) (string, error) {
	if named != "" {
		if err := runnable(named); err != nil {
			return "", &MissingError{Named: named, Err: err}
		}
		return named, nil
	}
	for _, path := range places {
		if runnable(path) == nil {
			return path, nil
		}
	}
	return "", &MissingError{Err: fs.ErrNotExist}
}

func runnable(path string) error {
	info, err := os.Stat(path)
	var at *fs.PathError
	switch {
	case errors.As(err, &at):
		return at.Err
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return errors.New("not a program")
	}
	return nil
}

// turn is held by whoever has a token sign. It is one for the process, as the tokens are.
var turn = make(chan struct{}, 1)

// Turn waits until no other tunnel of this process has a token sign: a token serves one at a time, and who touches it should know for
// whom it blinks. free ends the turn. The error is the cause of ctx.
func Turn(ctx context.Context) (free func(), err error) {
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

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
	said := &words{log: h.Log}
	answer, err := h.converse(ctx, request(key, h.Provider, data, pin), said)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var signature *ssh.Signature
	if err == nil {
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
		refusal.Words = said.last
		return nil, refusal
	case errors.As(err, &other):
		return nil, other
	}
	return nil, &BrokenError{Path: h.Path, Err: err, Words: said.last}
}

// converse runs the helper for one request. It is gone with all that it has started when this returns.
func (h Helper) converse(ctx context.Context, request []byte, said *words) ([]byte, error) {
	patience := cmp.Or(h.Patience, Patience)
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(limited, h.Path, "-v") // without it, another version goes away and says nothing
	cmd.Stdin, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(request), said, heirs
	procgroup.Lead(cmd)
	cmd.Cancel = func() error { return procgroup.Kill(cmd) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot be run: %w", err)
	}
	stop := context.AfterFunc(limited, func() { out.Close() }) // whatever else has its other end
	answer, err := readMessage(out)
	stop()
	procgroup.Kill(cmd) // it has said all, or nothing; and what it has left behind
	cmd.Wait()
	switch {
	case err == nil, errors.Is(err, errNonsense):
		return answer, err
	case limited.Err() != nil:
		return nil, fmt.Errorf("no answer within %v", patience)
	}
	return nil, errors.New("ended without an answer")
}
