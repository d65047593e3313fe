// Package algorithm holds the names of ciphers and their kin that OpenSSH knows, and completes the lists of them that people write.
package algorithm

import (
	"github.com/tunneld/tunneld/config/sshpattern"
	"slices"
	"strings"
)

// Kind is one kind of algorithm as OpenSSH 10.6 knows it.
type Kind struct {
	What     string                 // for people: cipher, MAC, key type
	All      []string               // every name, in the order in which patterns find them
	Old      []string               // names that OpenSSH has given up, and that hold here where they are written out
	Defaults []string               // the list where nobody sets one
	valid    func(name string) bool // a name that a list may hold, beyond all
}

// known reports whether a list may hold name.
func (a *Kind) known(name string) bool {
	return slices.Contains(a.All, name) || slices.Contains(a.Old, name) || a.valid != nil && a.valid(name)
}

// Ciphers are the ciphers.
var Ciphers = Kind{
	What: "cipher",
	All: []string{
		"3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc", "aes128-ctr", "aes192-ctr", "aes256-ctr",
		"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com",
	},
	Defaults: []string{
		"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr",
		"aes256-ctr",
	},
}

// MACs are the message authentication codes.
var MACs = Kind{
	What: "MAC",
	All: []string{
		"hmac-sha1", "hmac-sha1-96", "hmac-sha2-256", "hmac-sha2-512", "hmac-md5", "hmac-md5-96", "umac-64@openssh.com",
		"umac-128@openssh.com", "hmac-sha1-etm@openssh.com", "hmac-sha1-96-etm@openssh.com",
		"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-md5-etm@openssh.com",
		"hmac-md5-96-etm@openssh.com", "umac-64-etm@openssh.com", "umac-128-etm@openssh.com",
	},
	Defaults: []string{
		"umac-64-etm@openssh.com", "umac-128-etm@openssh.com", "hmac-sha2-256-etm@openssh.com",
		"hmac-sha2-512-etm@openssh.com", "hmac-sha1-etm@openssh.com", "umac-64@openssh.com", "umac-128@openssh.com",
		"hmac-sha2-256", "hmac-sha2-512", "hmac-sha1",
	},
}

// KeyExchanges are the key exchanges.
var KeyExchanges = Kind{
	What: "key exchange",
	All: []string{
		"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256",
		"diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512", "diffie-hellman-group-exchange-sha1",
		"diffie-hellman-group-exchange-sha256", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
		"mlkem768nistp256-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "sntrup761x25519-sha512",
		"sntrup761x25519-sha512@openssh.com", "mlkem768x25519-sha256",
	},
	Defaults: []string{
		"mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
		"curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
		"diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
		"diffie-hellman-group14-sha256",
	},
	valid: IsGSSAPI,
}

var gssapiKex = []string{
	"gss-gex-sha1-", "gss-group1-sha1-", "gss-group14-sha1-", "gss-group14-sha256-", "gss-group16-sha512-",
	"gss-nistp256-sha256-", "gss-curve25519-sha256-",
}

// DefaultGSSAPI is GSSAPIKexAlgorithms where nobody sets it.
const DefaultGSSAPI = "gss-group14-sha256-,gss-group16-sha512-,gss-nistp256-sha256-,gss-curve25519-sha256-," +
	"gss-group14-sha1-,gss-gex-sha1-"

// IsGSSAPI reports whether name is a key exchange by GSSAPI.
func IsGSSAPI(name string) bool {
	return slices.ContainsFunc(gssapiKex, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// keyTypes are the key and signature types, in the order in which OpenSSH lists them.
var keyTypes = []string{
	"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com",
	"sk-ssh-ed25519-cert-v01@openssh.com", "ssh-mldsa44-ed25519", "ssh-mldsa44-ed25519-cert", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
	"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521",
	"ecdsa-sha2-nistp521-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
	"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
	"webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "rsa-sha2-256",
	"rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com",
}

// Keys are the algorithms of keys, host keys among them.
var Keys = Kind{
	What: "key type",
	All:  keyTypes,
	Old:  []string{"ssh-dss", "ssh-dss-cert-v01@openssh.com"},
	Defaults: []string{
		"ssh-ed25519-cert-v01@openssh.com", "ecdsa-sha2-nistp256-cert-v01@openssh.com",
		"ecdsa-sha2-nistp384-cert-v01@openssh.com", "ecdsa-sha2-nistp521-cert-v01@openssh.com",
		"sk-ssh-ed25519-cert-v01@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
		"webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", "rsa-sha2-512-cert-v01@openssh.com",
		"rsa-sha2-256-cert-v01@openssh.com", "ssh-mldsa44-ed25519-cert", "ssh-ed25519", "ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512",
		"rsa-sha2-256", "ssh-mldsa44-ed25519",
	},
	valid: isKeyPattern,
}

// Signatures are what a certificate authority may have signed with: no certificates among them.
var Signatures = Kind{
	What: "key type",
	All: []string{
		"ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ssh-mldsa44-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
		"rsa-sha2-256", "rsa-sha2-512",
	},
	Old: []string{"ssh-dss"},
	Defaults: []string{
		"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com",
		"sk-ecdsa-sha2-nistp256@openssh.com", "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
	},
	valid: isKeyPattern,
}

// isKeyPattern reports whether a list of key types may hold name, even where nothing comes of it: any key type, a family of
// keys as OpenSSH prints it, or a pattern that matches a key type, negated or not.
func isKeyPattern(name string) bool {
	for _, family := range []string{"ed25519", "ed25519-sk", "ecdsa", "ecdsa-sk", "dsa", "rsa", "null"} {
		if sshpattern.ToLower(name) == family {
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

// WithoutSign drops the "+" or "^" that says where the names go.
func WithoutSign(list string) string {
	if list[0] == '+' || list[0] == '^' {
		return list[1:]
	}
	return list
}

// Check returns the first name of a list that is not known. As OpenSSH it stops at an empty name, and refuses an empty list.
func (a *Kind) Check(list string) (wrong string, ok bool) {
	if list == "" {
		return list, false
	}
	for _, name := range UntilEmpty(list) {
		if !a.known(name) {
			return name, false
		}
	}
	return "", true
}

// UntilEmpty splits a list at commas and ends it at the first empty name.
func UntilEmpty(list string) []string {
	names := strings.Split(list, ",")
	if end := slices.Index(names, ""); end >= 0 {
		return names[:end]
	}
	return names
}

// Assemble returns the names that a configured list stands for; the default where it is empty. ok is false where none
// is left or a pattern is negated.
func (a *Kind) Assemble(list string) (names []string, ok bool) {
	var patterns []string
	switch {
	case list == "":
		return a.Defaults, true
	case list[0] == '-':
		return slices.DeleteFunc(slices.Clone(a.Defaults), func(name string) bool {
			return sshpattern.MatchList(name, list[1:], false) == sshpattern.Positive
		}), true
	case list[0] == '+':
		patterns = appendNew(a.Defaults, UntilEmpty(list[1:]))
	case list[0] == '^':
		patterns = appendNew(strings.Split(list[1:], ","), a.Defaults)
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

func (a *Kind) matching(pattern string) []string {
	if slices.Contains(a.Old, pattern) {
		return []string{pattern}
	}
	var names []string
	for _, name := range a.All {
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
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
