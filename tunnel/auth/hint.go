package auth

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tooManyHint is for servers that end the connection after a number of tries (sshd_config(5), MaxAuthTries).
func (a *Attempt) tooManyHint() string {
	return "the server limits the number of tries: offer only the right key, " +
		"with IdentitiesOnly yes and IdentityFile FILE (or -o IdentitiesOnly=yes -i FILE)"
}

// hint returns what a person can do about the most likely of the reasons.
func (a *Attempt) hint() string {
	if err := a.agentFault(); err != nil {
		return a.agentHint()
	}
	for _, failure := range a.reasons() {
		if text := failure.hint(); text != "" {
			return text
		}
	}
	switch {
	case a.options.PubkeyAuthentication && slices.ContainsFunc(a.offers, func(o *offer) bool { return !o.sent || o.unannounced != "" && !o.signed }):
		return "the server announces no SHA-2 signatures of RSA keys, and did not take this one when asked: use an ed25519 key; " +
			"or let its PubkeyAcceptedAlgorithms have rsa-sha2-512; where it is so old that it knows SHA-1 only, allow that with PubkeyAcceptedAlgorithms +ssh-rsa"
	case !slices.Contains(a.allowed, "publickey"):
		return a.passwordHint()
	case !slices.Contains(a.options.PreferredAuthentications, "publickey"):
		return "keys are left out: PreferredAuthentications with publickey in it allows them"
	case !a.options.PubkeyAuthentication:
		return "keys are switched off: PubkeyAuthentication yes allows them"
	case len(a.offers) == 0 && len(a.skipped) == 0 && a.takesAnswers() && a.secretHint() != "":
		return a.secretHint()
	case len(a.offers) == 0:
		return "name a key with IdentityFile (or -i FILE), or load one with ssh-add; ssh-keygen makes one"
	}
	return "add the public key to the account's authorized_keys: " + a.copyCommand() +
		"; or name another key with -i FILE"
}

// passwordHint is for servers that take no keys.
func (a *Attempt) passwordHint() string {
	if a.takesAnswers() {
		return cmp.Or(a.secretHint(), "the server wants a password: run tunneld at a terminal, set SSH_ASKPASS, "+
			"or put it into a file and name that with TunneldPasswordFile in the Host block of this host")
	}
	return "tunneld can log in with publickey, keyboard-interactive and password; ask the server's administrator for one of them"
}

// takesAnswers reports whether the server would ask for a password.
func (a *Attempt) takesAnswers() bool {
	return slices.Contains(a.allowed, "password") || slices.Contains(a.allowed, "keyboard-interactive")
}

// keyFailure is why the private key of a file could not be used.
type keyFailure struct {
	path string
	err  error
}

// reasons returns everything that went wrong with keys.
func (a *Attempt) reasons() []keyFailure {
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
	case errors.Is(f.err, errUnprotected) && strings.HasSuffix(f.path, ".pub"):
		return "this is a public key, and the agent does not hold its other half: ssh-add it, or name the file without .pub"
	case errors.Is(f.err, errUnprotected):
		return "make it readable by you only: chmod 600 " + f.path
	case errors.Is(f.err, errWrongPassphrase):
		return "check the passphrase: ssh-keygen -y -f " + f.path + " asks for it"
	case errors.Is(f.err, errNoPassphrase):
		return "name a file with the passphrase with TunneldPassphraseFile, load the key with ssh-add " + f.path +
			", or run tunneld at a terminal"
	}
	return ""
}

func (a *Attempt) agentHint() string {
	if a.agentErr != nil {
		return "start the agent, or correct SSH_AUTH_SOCK or IdentityAgent; IdentityAgent none does without"
	}
	return "the agent holds the key and did not sign: confirm or touch when it asks, or load the key without ssh-add -c"
}

// copyCommand is ssh-copy-id for the first key that was offered from a file.
func (a *Attempt) copyCommand() string {
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
