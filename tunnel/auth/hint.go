package auth

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// tooManyHint is for servers that end the connection after a number of tries (sshd_config(5), MaxAuthTries).
func (a *Attempt) tooManyHint() string {
	return "the server limits the number of tries: offer only the right key, " +
		"with IdentitiesOnly yes and IdentityFile FILE (or -o IdentitiesOnly=yes -i FILE)"
}

// hint returns what a person can do about the most likely of the reasons.
func (a *Attempt) hint() string {
	if err := a.agentFault(); err != nil {
		return cmp.Or(a.tokenHint(err), a.agentHint())
	}
	if err := a.cardFault(); err != nil {
		return a.cardHint(err)
	}
	for _, failure := range a.reasons() {
		if text := a.keyHint(failure); text != "" {
			return text
		}
	}
	switch {
	case a.early():
		return "set the clock of this machine, if it is slow; else the certificate is tried again until it holds"
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
	case len(a.offers) == 0 && a.options.Account.Service:
		return a.options.Account.Type(fmt.Sprintf("ssh-keygen -t ed25519 -N '' -f %s/.ssh/id_ed25519", a.options.Account.Home)) +
			"; or put a key there: the next start gives it to the service"
	case len(a.offers) == 0:
		return "name a key with IdentityFile (or -i FILE), or load one with ssh-add; ssh-keygen makes one"
	}
	return "add the public key to the account's authorized_keys: " + a.copyCommand() +
		"; or name another key with -i FILE"
}

// passwordHint is for servers that take no keys.
func (a *Attempt) passwordHint() string {
	if a.takesAnswers() {
		hint := "the server wants a password: put it into a file and name that with TunneldPasswordFile in the Host block of this host, " +
			"set SSH_ASKPASS, " + a.whereItAsks()
		if a.options.Account.Service {
			hint = "the server wants a password: put it into " + a.credential("tunneld-password.", "TunneldPasswordFile")
		}
		return cmp.Or(a.secretHint(), hint)
	}
	return "tunneld can log in with publickey, keyboard-interactive and password; ask the server's administrator for one of them"
}

// whereItAsks is the end of a hint. Whoever reads it may sit at the terminal that tunneld is in the background of.
func (a *Attempt) whereItAsks() string {
	text := "or start it in the foreground of a terminal, where it asks (`tunneld up -f` asks, and goes into the background then)"
	if a.options.BatchMode {
		text += ", without BatchMode"
	}
	return text
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

// keyHint is the advice for one key.
func (a *Attempt) keyHint(f keyFailure) string {
	if passphrase := a.passphraseFile(); passphrase != "" && errors.Is(f.err, errNoPassphrase) {
		if text := a.fileHint(passphrase, f.err); text != "" {
			return text
		}
	}
	if text := cmp.Or(a.tokenHint(f.err), a.cardHint(f.err)); text != "" {
		return text
	}
	key := fault.ShellQuote(f.path)
	switch {
	case errors.Is(f.err, errUnprotected) && strings.HasSuffix(f.path, ".pub"):
		return "this is a public key, and the agent does not hold its other half: ssh-add it, or name the file without .pub"
	case errors.Is(f.err, errUnprotected), errors.Is(f.err, fs.ErrPermission):
		return a.fileHint(f.path, f.err)
	case errors.Is(f.err, errWrongPassphrase):
		return "check the passphrase: ssh-keygen -y -f " + key + " asks for it"
	case errors.Is(f.err, errNoPassphrase) && a.options.Account.Service:
		return "put the passphrase into " + a.credential("tunneld.", "TunneldPassphraseFile")
	case errors.Is(f.err, errNoPassphrase):
		return "name a file with the passphrase with TunneldPassphraseFile, load the key with ssh-add " + key + ", " + a.whereItAsks()
	}
	return ""
}

// credential names the places for a secret of a service: that of the unit's credential, which is for the destination, and the
// file of a keyword.
func (a *Attempt) credential(name, keyword string) string {
	alias := foreign.Own(a.options.Alias).String()
	named := fmt.Sprintf("a file that %s names in the Host block of %s", keyword, alias)
	if a.Destination {
		return fmt.Sprintf("/etc/credstore/%s%s (root's, mode 0600), or into %s", name, alias, named)
	}
	return named
}

// fileHint is the advice where the rights of a file with a key or another secret are wrong; empty: they are not why.
func (a *Attempt) fileHint(path string, err error) string {
	exposed := new(exposedSecretError)
	switch command := makePrivate(path); {
	case (errors.Is(err, errUnprotected) || errors.As(err, &exposed)) && a.options.Account.Service:
		return a.options.Account.Type(command)
	case errors.Is(err, errUnprotected), errors.As(err, &exposed):
		return "make it readable by you only: " + command
	case errors.Is(err, fs.ErrPermission):
		text, mend := a.options.Account.Forbidden(path)
		if text == "" {
			return ""
		}
		return mend + "; " + text
	}
	return ""
}

// warnSecret warns of a file with a secret that is of no use, and says what to do.
func (a *Attempt) warnSecret(what, path string, err error) {
	attrs := []any{"err", err}
	if hint := a.fileHint(path, err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	a.log.Warn(what, attrs...)
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
	return fmt.Sprintf("ssh-copy-id -i %s%s %s", fault.ShellQuote(file), port, fault.ShellQuote(a.options.User+"@"+a.options.HostName))
}
