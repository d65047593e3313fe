package hostkey

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// What a person reads when a host key is refused: both fingerprints where there are two, the line that is to blame, and
// what to type.

// revokedError is a key that is marked @revoked.
type revokedError struct{ text string }

func (e *revokedError) Error() string { return e.text }

// RefusedError is a key other than the one that is known, or one where none is.
type RefusedError struct {
	Host  string // as known_hosts names it
	Type  string // of the server's key, as ssh prints it: ED25519
	Known string // FILE:LINE of another one of the host's; empty: there is none
	Err   error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns what is said of it.
func (e *RefusedError) Unwrap() error { return e.Err }

// describeKey returns the type and the fingerprint, as ssh-keygen -l prints them, of the key without its certificate.
func describeKey(key ssh.PublicKey) string {
	return sshkey.Plain(key).Type() + " " + fingerprintOf(key)
}

// fingerprintOf returns what a person compares, and may paste in place of yes.
func fingerprintOf(key ssh.PublicKey) string { return ssh.FingerprintSHA256(sshkey.Plain(key)) }

// where returns the name of the server for errors.
func (h *Keys) where() string { return h.options.Peer() }

func (h *Keys) refuse(err error, hint string) *fault.Error {
	return &fault.Error{Phase: fault.PhaseHostKey, Permanent: true, Where: h.where(), Err: err, Hint: hint}
}

// interrupted returns an error that says nothing about the key.
func (h *Keys) interrupted(err error) *fault.Error {
	return &fault.Error{Phase: fault.PhaseHostKey, Where: h.where(), Err: err}
}

func (h *Keys) refuseRevoked(c *shownKey, known *knownHost) error {
	text := fmt.Sprintf("host key %s is marked @revoked at %s", describeKey(c.key), known.source())
	return h.refuse(&revokedError{text}, "the key was given up, perhaps stolen: let the server's keeper make a new one")
}

func (h *Keys) refuseChanged(c *shownKey, known *knownHost) error {
	if err := h.undecided(c); err != nil {
		return err
	}
	err := &RefusedError{c.host, sshkey.TypeOf(c.key), known.source(), c.because(fmt.Errorf("host key of %s has changed: the server shows %s, %s holds %s",
		c.host, describeKey(c.key), known.source(), describeKey(known.key)))}
	return h.refuseShown(c, err, "someone may be intercepting the connection; if the key was changed on purpose: "+h.removal(c.host, known))
}

// complaint returns the attributes of a file that is of no use for the log: where rights are the reason, with what to do, which
// forbidden says.
func complaint(path string, err error, forbidden func(path string) (text, mend string)) []any {
	attrs := []any{"file", path, "err", fileReason(err)}
	if !errors.Is(err, fs.ErrPermission) {
		return attrs
	}
	if text, mend := forbidden(path); text != "" {
		attrs = append(attrs, "hint", mend+"; "+text)
	}
	return attrs
}

// refuseAddress is the refusal of CheckHostIP.
func (h *Keys) refuseAddress(c *shownKey, known *knownHost) error {
	err := fmt.Errorf("host key %s differs from %s that %s holds for the address %s",
		describeKey(c.key), describeKey(known.key), known.source(), c.address)
	return h.refuse(err, "if the address was given to another server: "+h.removal(c.address, known))
}

// removal returns how to get rid of a line.
func (h *Keys) removal(name string, known *knownHost) string {
	switch {
	case known.command:
		return "mend what KnownHostsCommand prints"
	case strings.ContainsAny(known.hosts, "*?!"):
		return fmt.Sprintf("edit %s", known.source()) // ssh-keygen -R leaves patterns alone
	}
	return h.options.Account.Type(fmt.Sprintf("ssh-keygen -R %s -f %s", fault.ShellQuote(name), fault.ShellQuote(known.file)))
}

// refuseCertificate is for a certificate that is not accepted, where HostKeyAlgorithms permits no plain key in its place.
func (h *Keys) refuseCertificate(c *shownKey, why error) error {
	if err := h.unread(); err != nil {
		return h.refuseUnread(c.key, err)
	}
	return h.refuseShown(c, fmt.Errorf("host certificate of %s not accepted, and HostKeyAlgorithms permits no plain key of its type: %w", describeKey(c.key), why),
		"add the authority to known_hosts, with @cert-authority; or let HostKeyAlgorithms permit plain keys, too")
}

func (h *Keys) refuseUnknown(c *shownKey) error {
	if err := h.undecided(c); err != nil {
		return err
	}
	err := &RefusedError{c.host, sshkey.TypeOf(c.key), "", c.because(fmt.Errorf("no host key is known for %s; the server shows %s", c.host, describeKey(c.key)))}
	if c.invalid != nil {
		return h.refuseShown(c, err, "")
	}
	for i := range h.files {
		if f := &h.files[i]; errors.Is(f.err, fs.ErrPermission) {
			if text, mend := h.options.Account.Forbidden(f.path); text != "" {
				return h.refuse(fmt.Errorf("%w; %s could not be read: %s", err, f.path, text), mend)
			}
		}
	}
	if h.options.Account.Service {
		return h.refuse(err, "compare the fingerprint with the server's, then, "+h.options.Account.Type(h.howRootTrusts()))
	}
	return h.refuse(err, "compare the fingerprint with the server's, then type "+h.howToTrust())
}

const orAccept = ", or set StrictHostKeyChecking accept-new"

// howRootTrusts returns how root makes the server known to a service.
func (h *Keys) howRootTrusts() string {
	user := h.options.UserKnownHostsFile
	if len(user) == 0 {
		return "set UserKnownHostsFile to a file"
	}
	file := fault.ShellQuote(user[0])
	if !h.scannable() {
		return fmt.Sprintf("ssh -F %s -o UserKnownHostsFile=%s %s%s", fault.ShellQuote(filepath.Join(h.options.Account.Home, ".ssh", "config")),
			file, fault.ShellQuote(h.options.Alias), orAccept)
	}
	return fmt.Sprintf("ssh-keyscan %s%s >> %s%s", h.portFlag(), fault.ShellQuote(h.options.HostName), file, orAccept)
}

// scannable reports whether ssh-keyscan would find the server, and under the name that counts: it knows neither jump hosts nor
// HostKeyAlias.
func (h *Keys) scannable() bool {
	return h.options.Via == nil && h.options.ProxyCommand == "" && h.options.HostKeyAlias == "" && len(h.options.UserKnownHostsFile) > 0
}

func (h *Keys) portFlag() string {
	if h.options.Port == 22 {
		return ""
	}
	return fmt.Sprintf("-p %d ", h.options.Port)
}

// howToTrust returns how to make the server known.
func (h *Keys) howToTrust() string {
	once := "once: ssh " + h.portFlag() + fault.ShellQuote(h.options.Alias)
	if !h.scannable() {
		return once + orAccept
	}
	return fmt.Sprintf("%s, or: ssh-keyscan %s%s >> %s%s", once, h.portFlag(), fault.ShellQuote(h.options.HostName),
		fault.ShellQuote(h.options.UserKnownHostsFile[0]), orAccept)
}

// refuseUnrecordable is the refusal of a new host that cannot be remembered: any server would pass for new each time. ssh refuses
// it too.
func (h *Keys) refuseUnrecordable(c *shownKey) error {
	text := "no host key is known for %s, and UserKnownHostsFile none leaves no place to remember %s"
	hint := "set UserKnownHostsFile to a file"
	if len(h.options.UserKnownHostsFile) > 0 {
		text = "no host key is known for %s, whose name cannot be written to a file of known hosts beside %s"
		hint = "set HostKeyAlias to a plain name"
	}
	return h.refuse(fmt.Errorf(text, c.host, describeKey(c.key)), hint)
}

// newKeyPrompt is the question of StrictHostKeyChecking ask, in the words that people know from ssh.
func (h *Keys) newKeyPrompt(c *shownKey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The authenticity of host '%s", c.host)
	if c.remote != nil {
		fmt.Fprintf(&b, " (%s)", c.remote)
	}
	fmt.Fprintf(&b, "' can't be established.\nThe key fingerprint is %s.\n", describeKey(c.key))
	if names := h.otherNames(c); len(names) > 0 {
		b.WriteString("This host key is known by these other names:\n")
		for _, name := range names {
			b.WriteString("    " + name + "\n")
		}
	} else {
		b.WriteString("This key is not known by any other names.\n")
	}
	if c.invalid != nil {
		fmt.Fprintf(&b, "Its certificate is not accepted: %v.\n", c.invalid)
	}
	b.WriteString(h.dnsText())
	b.WriteString("Are you sure you want to continue connecting")
	return b.String()
}

// maxOtherNames is how many other names of a key a question shows.
const maxOtherNames = 8

// otherNames returns the lines that hold the key under other names.
func (h *Keys) otherNames(c *shownKey) []string {
	var names []string
	for i := range h.files {
		for n, text := range h.files[i].lines {
			line, ok := parseKnownHostsLine(text)
			if !ok || line.marker != markNone || matchNames(line.hosts, c.host) {
				continue
			}
			if key, err := parseKeyText(line.key); err != nil || !sshkey.Same(key, c.key) {
				continue
			}
			if len(names) == maxOtherNames {
				return append(names, "and more")
			}
			if strings.HasPrefix(line.hosts, hashMagic) {
				line.hosts = "[hashed name]"
			}
			names = append(names, fmt.Sprintf("%s:%d: %s", h.files[i].path, n+1, foreign.Line(line.hosts)))
		}
	}
	return names
}

// addressPrompt is the question of CheckHostIP under StrictHostKeyChecking ask.
func (h *Keys) addressPrompt(c *shownKey, byHost, byAddress *knownHost) string {
	text := fmt.Sprintf("Warning: the host key of '%s' differs from the key for the IP address '%s'\nOffending key for IP in %s\n",
		c.host, c.address, byAddress.source())
	if byHost != nil {
		text += "Matching host key in " + byHost.source() + "\n"
	}
	return text + "Are you sure you want to continue connecting"
}
