package config

import (
	"github.com/tunneld/tunneld/config/sshpattern"
	"slices"
	"strings"
)

// algorithms is one kind of algorithm as OpenSSH 9.2 knows it.
type algorithms struct {
	what     string
	all      []string               // every name, in the order in which patterns find them
	defaults []string               // the list where nobody sets one
	valid    func(name string) bool // a name that a list may hold, beyond all
}

// known reports whether a list may hold name.
func (a *algorithms) known(name string) bool {
	return containsExact(a.all, name) || a.valid != nil && a.valid(name)
}

var ciphers = algorithms{
	what: "cipher",
	all: []string{
		"3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "aes128-ctr", "aes192-ctr", "aes256-ctr",
		"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
	},
	defaults: []string{
		"chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-gcm@openssh.com",
		"aes256-gcm@openssh.com",
	},
}

var macs = algorithms{
	what: "MAC",
	all: []string{
		"hmac-sha1", "hmac-sha1-96", "hmac-sha2-256", "hmac-sha2-512", "hmac-md5", "hmac-md5-96", "umac-64@openssh.com",
		"umac-128@openssh.com", "hmac-sha1-etm@openssh.com", "hmac-sha1-96-etm@openssh.com",
		"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-md5-etm@openssh.com",
		"hmac-md5-96-etm@openssh.com", "umac-64-etm@openssh.com", "umac-128-etm@openssh.com",
	},
	defaults: []string{
		"umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-sha2-256-etm@openssh.com",
		"hmac-sha2-512-etm@openssh.com", "hmac-sha1-etm@openssh.com", "umac-64@openssh.com", "umac-128@openssh.com",
		"hmac-sha2-256", "hmac-sha2-512", "hmac-sha1",
	},
}

// keyExchanges ends with those that came with OpenSSH 9.9 and 10.1: lists may name them, but 9.2's defaults do not.
var keyExchanges = algorithms{
	what: "key exchange",
	all: []string{
		"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256",
		"diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group-exchange-sha1",
		"diffie-hellman-group-exchange-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
		"curve25519-sha256", "curve25519-sha256@libssh.org", "sntrup761x25519-sha512",
		"sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256",
	},
	defaults: []string{
		"sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
		"curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
		"diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
		"diffie-hellman-group14-sha256",
	},
	valid: isGSSAPIKex,
}

var gssapiKex = []string{
	"gss-gex-sha1-", "gss-group1-sha1-", "gss-group14-sha1-", "gss-group14-sha256-", "gss-group16-sha512-",
	"gss-nistp256-sha256-", "gss-curve25519-sha256-",
}

const defaultGSSAPIKex = "gss-group14-sha256-,gss-group16-sha512-,gss-nistp256-sha256-,gss-curve25519-sha256-," +
	"gss-group14-sha1-,gss-gex-sha1-"

func isGSSAPIKex(name string) bool {
	return slices.ContainsFunc(gssapiKex, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// keyTypes are the key and signature types, in the order in which OpenSSH lists them.
var keyTypes = []string{
	"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com",
	"sk-ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
	"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521",
	"ecdsa-sha2-nistp521-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
	"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "ssh-dss",
	"ssh-dss-cert-v01@openssh.com", "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256",
	"rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com",
}

var keyAlgorithms = algorithms{
	what: "key type",
	all:  keyTypes,
	defaults: []string{
		"ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
		"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
		"sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
		"rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com", "ssh-ed25519", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
	},
	valid: isKeyPattern,
}

// signatureAlgorithms are what a certificate authority may have signed with: no certificates among them.
var signatureAlgorithms = algorithms{
	what: "key type",
	all: []string{
		"ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
		"sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "ssh-dss", "ssh-rsa",
		"rsa-sha2-256", "rsa-sha2-512",
	},
	defaults: []string{
		"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
	},
	valid: isKeyPattern,
}

// isKeyPattern reports whether a list of key types may hold name, even where nothing comes of it: any key type, a family of
// keys as OpenSSH prints it, or a pattern that matches a key type, negated or not.
func isKeyPattern(name string) bool {
	for _, family := range []string{"ed25519", "ed25519-sk", "ecdsa", "ecdsa-sk", "dsa", "rsa", "null"} {
		if lower(name) == family {
			return true
		}
	}
	for _, known := range append(slices.Clone(keyTypes), "null") {
		if sshpattern.MatchList(known, name, false) != sshpattern.NoMatch {
			return true
		}
	}
	return false
}

// algorithmList takes a list of algorithms. A "+" before it appends to the default, "^" puts it in front, and "-" takes the
// names that match out.
func algorithmList(name string, kind *algorithms) keyword {
	return keyword{name: name, print: scalar, kind: kind, wants: "a comma-separated list of " + kind.what + "s", parse: func(l *line) *Error {
		word := l.next()
		if word == "" {
			return l.missing()
		}
		if word[0] != '-' {
			if wrong, ok := kind.check(withoutSign(word)); !ok {
				return l.fail("%q is not a %s; known are %s", wrong, kind.what, strings.Join(kind.all, ", "))
			}
		}
		l.set(name, word)
		return nil
	}}
}

// withoutSign drops the "+" or "^" that says where the names go.
func withoutSign(list string) string {
	if list[0] == '+' || list[0] == '^' {
		return list[1:]
	}
	return list
}

// check returns the first name of a list that is not known. As OpenSSH it stops at an empty name, and refuses an empty list.
func (a *algorithms) check(list string) (wrong string, ok bool) {
	if list == "" {
		return list, false
	}
	for _, name := range untilEmpty(list) {
		if !a.known(name) {
			return name, false
		}
	}
	return "", true
}

// untilEmpty splits a list at commas and ends it at the first empty name.
func untilEmpty(list string) []string {
	names := strings.Split(list, ",")
	if end := slices.Index(names, ""); end >= 0 {
		return names[:end]
	}
	return names
}

// assemble returns the names that a configured list stands for; the default where it is empty. ok is false where none
// is left or a pattern is negated.
func (a *algorithms) assemble(list string) (names []string, ok bool) {
	var patterns []string
	switch {
	case list == "":
		return a.defaults, true
	case list[0] == '-':
		return slices.DeleteFunc(slices.Clone(a.defaults), func(name string) bool {
			return sshpattern.MatchList(name, list[1:], false) == sshpattern.Positive
		}), true
	case list[0] == '+':
		patterns = appendNew(a.defaults, untilEmpty(list[1:]))
	case list[0] == '^':
		patterns = appendNew(strings.Split(list[1:], ","), a.defaults)
	default:
		patterns = strings.Split(list, ",")
	}
	for _, pattern := range patterns {
		if strings.HasPrefix(pattern, "!") {
			return nil, false
		}
		names = appendNew(names, a.matching(pattern))
	}
	return names, len(names) > 0
}

func (a *algorithms) matching(pattern string) []string {
	var names []string
	for _, name := range a.all {
		if sshpattern.MatchList(name, pattern, false) == sshpattern.Positive {
			names = append(names, name)
		}
	}
	return names
}

// appendNew appends the names that are not in the list yet.
func appendNew(list, names []string) []string {
	list = slices.Clone(list)
	for _, name := range names {
		if !containsExact(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func parseGSSAPIKex(l *line) *Error {
	word := l.next()
	if word == "" {
		return l.missing()
	}
	for _, name := range untilEmpty(word) {
		if !strings.HasPrefix(name, "gss-") || !isGSSAPIKex(name) {
			return l.bad(name)
		}
	}
	l.set("GSSAPIKexAlgorithms", word)
	return nil
}
