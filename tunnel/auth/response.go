package auth

import (
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"
)

// errBroken ends an attempt in which the server did not answer as RFC 4252 says. It is not a refusal: a server that is broken or
// being changed may work again later.
var errBroken = errors.New("the server breaks the protocol")

// errReplied ends a try whose refusal has been seen.
var errReplied = errors.New("refused as RFC 4252 says")

// response reports whether a try was refused in a proper message. x/crypto's AuthCallback cannot tell a refusal from a message that
// makes no sense (client_auth.go, clientAuthenticate), but a RetryableAuthMethod is repeated only after a refusal.
type response struct {
	tried bool
	came  bool
}

// again is called by the library when the method is tried, and after each refusal. The error ends the repetition.
func (r *response) again() error {
	if r.tried {
		r.came = true
		return errReplied
	}
	r.tried = true
	return nil
}

// publicKey is a method that offers one key.
func (r *response) publicKey(key ssh.Signer) ssh.AuthMethod {
	return ssh.RetryableAuthMethod(ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		return []ssh.Signer{key}, r.again()
	}), 2)
}

// password is a method that sends one password.
func (r *response) password(secret string) ssh.AuthMethod {
	return ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) { return secret, r.again() }), 2)
}

// senseless reports whether the server answered the last try with something that makes no sense. The first request asks for the
// methods that it allows: an empty list is no answer, unless saysNo.
func (a *Attempt) senseless(state *ssh.ClientAuthContext) bool {
	switch {
	case len(state.PartialSuccessMethods) > a.partial:
		return false
	case !a.began:
		return len(state.AllowedMethods) == 0
	case a.response == nil || !a.response.tried || a.response.came:
		return false
	case a.current != nil: // it was not asked, or there was no signature
		return a.current.sent && a.current.err == nil
	}
	return true
}

// over returns the error that ends an attempt with nothing left to try. With nil the library returns its own error of the last
// try.
func (a *Attempt) over() error {
	switch {
	case a.brokeLast:
		return nil
	case a.broke:
		return errBroken
	case a.untold:
		return nil
	}
	return errRefused
}

// saysNo reports whether the library's error stands for SSH_MSG_USERAUTH_FAILURE in reply to the last try, and not for a message
// that makes no sense. Both come without a type, so this is decided by text. A refusal is no error to the library, which then
// has nothing left to try; but where keyboard-interactive is refused before anything was asked, it had expected a question.
func saysNo(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "ssh: unable to authenticate, ") || text == "ssh: unexpected message type 51 (expected 60)"
}
