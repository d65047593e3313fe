package auth

import (
	"cmp"
	"fmt"
	"slices"
)

// storedPassword is what has become of the password from a file in this attempt.
//
// It is the only secret that is sent without a person, under these rules: it was named as a password, for this hop; the host key
// was known or has been written down now, and was not merely accepted; it answers a request for a password, or the only question
// of a server that takes passwords in no other way; and once refused it is not sent again. What is named as a passphrase, of
// whatever hop, goes to no server at all (see storedPassphrase).
type storedPassword struct {
	sent    []string // methods by which it has been sent
	refused bool     // by the server
	failed  error    // why the file could not be read, which was said; nil: it could
}

// storedPassword returns the password of this hop to be sent by method, or "".
func (a *Attempt) storedPassword(method string) string {
	if !a.mayStore(method) {
		return ""
	}
	s := &a.answering.stored
	file := a.passwordFile()
	secret, err := readSecretFile(a.ctx, file)
	if err != nil {
		s.failed = err
		a.warnSecret("password file not read", file, err)
		return ""
	}
	s.sent = append(s.sent, method)
	a.answering.given = append(a.answering.given, storedAnswer)
	a.log.Debug("sending the password of a file", "file", file, "method", method)
	return secret
}

// storedAnswer stands for the stored password among answering.given.
const storedAnswer = "stored"

// mayStore reports whether the stored password may be sent now, by this method.
func (a *Attempt) mayStore(method string) bool {
	s := &a.answering.stored
	if s.failed != nil || s.refused || a.passwordFile() == "" || !a.knownHost() {
		return false
	}
	if method == "password" {
		return !slices.Contains(s.sent, method)
	}
	// A hidden question behind a password that was taken is for something else, such as a code.
	return len(s.sent) == 0 && !a.takesPasswords()
}

// takesPasswords reports whether the server asks for passwords in the plain way, and we may answer.
func (a *Attempt) takesPasswords() bool {
	return a.options.PasswordAuthentication && slices.Contains(a.allowed, "password") &&
		slices.Contains(a.options.PreferredAuthentications, "password") && !a.exhausted["password"]
}

// order returns PreferredAuthentications, with password before keyboard-interactive where a stored password is ready: the server's
// questions may be about something else.
func (a *Attempt) order() []string {
	methods := a.options.PreferredAuthentications
	asked, plain := slices.Index(methods, "keyboard-interactive"), slices.Index(methods, "password")
	if asked < 0 || plain < asked || !a.takesPasswords() || !a.mayStore("password") {
		return methods
	}
	methods = slices.Delete(slices.Clone(methods), plain, plain+1)
	return slices.Insert(methods, asked, "password")
}

// passwordFile returns TunneldPasswordFile, or else the file that was given to the process for this host; empty: none.
func (a *Attempt) passwordFile() string {
	if a.options.PasswordFile != "" || a.credentials.GivenPassword == nil {
		return a.options.PasswordFile
	}
	return a.credentials.GivenPassword(a.options.Alias, a.Destination)
}

// knownHost reports whether the server is certainly the one that was meant. Where it is not, it logs once what that costs.
func (a *Attempt) knownHost() bool {
	if a.Known != nil && a.Known() {
		return true
	}
	if !a.withheld {
		a.withheld = true
		a.log.Warn("password not sent: the server is not certainly the one that was meant", "file", a.passwordFile(), "hint", withheldHint)
	}
	return false
}

const withheldHint = "put its host key into known_hosts: a password of a file is sent to known hosts alone"

// secretHint returns what to do about a stored secret that was of no use; empty: there is none.
func (a *Attempt) secretHint() string {
	server := a.options.User + "@" + cmp.Or(a.options.Alias, a.options.HostName)
	passphrase := a.passphraseFile()
	switch {
	case a.withheld:
		return withheldHint
	case a.answering.stored.failed != nil && a.fileHint(a.passwordFile(), a.answering.stored.failed) != "":
		return a.fileHint(a.passwordFile(), a.answering.stored.failed)
	case a.answering.stored.refused:
		return fmt.Sprintf("check the password of %s in %s", server, a.passwordFile())
	case a.passwordFile() == "" && passphrase != "":
		return fmt.Sprintf("%s is taken for the passphrase of a key, which no server is sent; if it is the password of %s, "+
			"name it with TunneldPasswordFile in the Host block of %s instead, or call systemd's credential password.%s",
			passphrase, server, cmp.Or(a.options.Alias, a.options.HostName), cmp.Or(a.options.Alias, a.options.HostName))
	}
	return ""
}
