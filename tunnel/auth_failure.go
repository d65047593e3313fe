package tunnel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Reasons of SSH_MSG_DISCONNECT that say no (RFC 4253 §11.1). sshd uses "protocol error" for too many tries.
const (
	disconnectProtocolError   = 2
	disconnectNoMoreMethods   = 14
	disconnectIllegalUserName = 15
)

// manyKeys is the number of refused keys from which on a server's limit on tries is the likely cause of a hang-up.
const manyKeys = 3

// failure turns what ssh.NewClientConn returned into an *Error. It is permanent only where the server refused and neither the
// agent nor the network had a part in it.
func (a *authentication) failure(err error) error {
	where := a.options.User + "@" + a.options.Address()
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "ssh: handshake failed: ") {
		err = inner // the words say less than ours
	}
	result := &Error{Phase: PhaseAuth, Where: where}
	number, text, disconnected := disconnectReason(err)
	switch {
	case a.ctx.Err() != nil:
		result.Err = fmt.Errorf("authentication not finished: %w", context.Cause(a.ctx))
	case errors.Is(err, errRefused):
		result.Err = fmt.Errorf("%w %s", errRefused, a.story())
		result.Permanent = a.agentFault() == nil
		result.Hint = a.hint()
	case disconnected && number == disconnectProtocolError && a.refusals() > 0:
		result.Err = fmt.Errorf("%w %s: %s", errRefused, a.story(), text)
		result.Permanent = true
		result.Hint = a.tooManyHint()
	case disconnected && (number == disconnectNoMoreMethods || number == disconnectIllegalUserName):
		result.Err = fmt.Errorf("%w %s: %s", errRefused, a.story(), text)
		result.Permanent = true
		result.Hint = a.hint()
	case disconnected:
		result.Err = fmt.Errorf("server hung up during authentication: %s", text)
	case errors.Is(err, errConnectionLost):
		result.Err = fmt.Errorf("%w during authentication", err)
	default:
		result.Err = fmt.Errorf("connection lost during authentication: %w", err)
	}
	if result.Hint == "" && !result.Permanent && a.refusals() >= manyKeys {
		result.Hint = a.tooManyHint()
	}
	return result
}

// disconnectReason reads the reason out of an error that stands for SSH_MSG_DISCONNECT. Its type is not exported
// (messages.go; golang/go#39259), so this is the one decision that is made by text.
func disconnectReason(err error) (number int, text string, ok bool) {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		rest, found := strings.CutPrefix(inner.Error(), "ssh: disconnect, reason ")
		if !found {
			continue
		}
		digits, quoted, _ := strings.Cut(rest, ": ")
		number, err := strconv.Atoi(digits)
		if err != nil {
			return 0, "", false
		}
		if text, err = strconv.Unquote(quoted); err != nil {
			text = quoted
		}
		return number, printable(text), true
	}
	return 0, "", false
}

// refusals counts the tries that the server has refused.
func (a *authentication) refusals() int {
	count := len(a.used)
	for _, offer := range a.offers {
		if offer.sent {
			count++
		}
	}
	return count
}

// agentFault gives the agent's failure where that may be why nothing fitted: it could not be asked although a key of
// its own could have been needed, or it did not sign with a key that the server had accepted.
func (a *authentication) agentFault() error {
	for _, offer := range a.offers {
		if errors.Is(offer.err, errAgent) {
			return offer.err
		}
	}
	if a.agentErr == nil || a.ownKeyOffered() {
		return nil
	}
	return a.agentErr
}

// ownKeyOffered tells whether an identity file that somebody wrote was offered and has its private half at hand.
func (a *authentication) ownKeyOffered() bool {
	return slices.ContainsFunc(a.offers, func(o *offer) bool {
		return o.sent && o.err == nil && o.candidate.explicit && !strings.HasSuffix(o.candidate.path, ".pub")
	})
}

// story tells what was tried: "publickey (offered 2 keys: …) and password; the server allows publickey,password".
func (a *authentication) story() string {
	var parts []string
	if keys := a.offered(); len(keys) > 0 {
		parts = append(parts, fmt.Sprintf("publickey (offered %s: %s)", count(len(keys), "key"), strings.Join(keys, ", ")))
	} else if slices.Contains(a.allowed, "publickey") && a.options.PubkeyAuthentication {
		parts = append(parts, "publickey (no key to offer)")
	}
	methods := slices.Compact(slices.Sorted(slices.Values(a.used)))
	parts = append(parts, methods...)
	text := strings.Join(parts, " and ")
	if text == "" {
		text = "login"
	}
	text += "; the server allows " + printable(strings.Join(a.allowed, ","))
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

// offered names each key that the server saw, with what went wrong where it would have taken the key.
func (a *authentication) offered() []string {
	var keys []string
	for _, offer := range a.offers {
		text := offer.candidate.String()
		switch {
		case !offer.sent:
			text += " (no signature algorithm in common)"
		case offer.err != nil:
			text += " (accepted, but " + offer.err.Error() + ")"
		}
		if !slices.Contains(keys, text) {
			keys = append(keys, text)
		}
	}
	return keys
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// tooManyHint is for servers that end the connection after a number of tries (sshd_config(5), MaxAuthTries).
func (a *authentication) tooManyHint() string {
	return "the server limits the number of tries: offer only the right key, " +
		"with IdentitiesOnly yes and IdentityFile FILE (or -o IdentitiesOnly=yes -i FILE)"
}

// hint says what a person can do, for the most telling of the reasons.
func (a *authentication) hint() string {
	if err := a.agentFault(); err != nil {
		return a.agentHint()
	}
	for _, failure := range a.reasons() {
		if text := failure.hint(); text != "" {
			return text
		}
	}
	switch {
	case a.options.PubkeyAuthentication && slices.ContainsFunc(a.offers, func(o *offer) bool { return !o.sent }):
		return "the server takes this RSA key with SHA-1 only: use an ed25519 key, " +
			"or allow it with PubkeyAcceptedAlgorithms +ssh-rsa"
	case !slices.Contains(a.allowed, "publickey"):
		return "the server wants a password: run tunneld at a terminal once, set SSH_ASKPASS, or put it into a file and name that with TunneldPassphraseFile"
	case len(a.offers) == 0:
		return "name a key with IdentityFile (or -i FILE), or load one with ssh-add; ssh-keygen makes one"
	}
	return "add the public key to the account's authorized_keys: " + a.copyCommand() +
		"; or name another key with -i FILE"
}

// keyFailure is why the private key of a file could not be used.
type keyFailure struct {
	path string
	err  error
}

// reasons gives everything that went wrong with keys.
func (a *authentication) reasons() []keyFailure {
	reasons := slices.Clone(a.failures)
	for _, offer := range a.offers {
		if offer.err != nil {
			reasons = append(reasons, keyFailure{offer.candidate.path, offer.err})
		}
	}
	return reasons
}

// hint is the advice for one key.
func (f keyFailure) hint() string {
	switch {
	case errors.Is(f.err, errUnprotected):
		return "take the key away from others: chmod 600 " + f.path
	case errors.Is(f.err, errWrongPassphrase):
		return "check the passphrase: ssh-keygen -y -f " + f.path + " asks for it"
	case errors.Is(f.err, errNoPassphrase):
		return "name a file with the passphrase with TunneldPassphraseFile, load the key with ssh-add " + f.path +
			", or run tunneld at a terminal"
	}
	return ""
}

func (a *authentication) agentHint() string {
	if a.agentErr != nil {
		return "start the agent, or correct SSH_AUTH_SOCK or IdentityAgent; IdentityAgent none does without"
	}
	return "the agent holds the key and did not sign: confirm or touch when it asks, or load the key without ssh-add -c"
}

// copyCommand is ssh-copy-id for the first key that was offered from a file.
func (a *authentication) copyCommand() string {
	file := "FILE.pub"
	for _, offer := range a.offers {
		if offer.candidate.path != "" {
			file = strings.TrimSuffix(offer.candidate.path, ".pub") + ".pub"
			break
		}
	}
	port := ""
	if a.options.Port != 22 {
		port = " -p " + strconv.Itoa(a.options.Port)
	}
	return fmt.Sprintf("ssh-copy-id -i %s%s %s@%s", file, port, a.options.User, a.options.HostName)
}
