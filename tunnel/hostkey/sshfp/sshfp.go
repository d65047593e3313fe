// Package sshfp finds the fingerprints of host keys that stand in the DNS (RFC 4255, RFC 6594, RFC 7479).
//
// It validates nothing itself. As ssh does, it believes the AD bit of a name server (RFC 6840 §5.7), and that only where
// nobody on the way could have set it: of one on this machine, or where the administrator wrote trust-ad into resolv.conf(5).
package sshfp

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// Records are what the DNS holds for one host. The zero value is nothing.
type Records struct {
	Secure bool // they were validated by DNSSEC, says a name server that may be believed
	list   []record
}

// record is an SSHFP resource record (RFC 4255 §3.1).
type record struct {
	algorithm, digest byte
	fingerprint       string
}

// The numbers of the IANA registry «DNS SSHFP Resource Record Parameters».
const (
	rsaKey     = 1
	dsaKey     = 2
	ecdsaKey   = 3
	ed25519Key = 4

	sha1Digest   = 1
	sha256Digest = 2
)

// Empty reports whether there are no fingerprints at all.
func (r Records) Empty() bool { return len(r.list) == 0 }

// Verdict is what records say of a key.
type Verdict int

// The verdicts.
const (
	Silent   Verdict = iota // nothing of keys of this type
	Match                   // all that is said of this type is true of the key
	Mismatch                // a record of this type is of another key
)

// Judge compares a key, or that of a certificate, with the records of its type. As in ssh, one of them that does not fit spoils those
// that do: whoever can forge SHA-1 gains nothing where a SHA-256 stands beside it.
func (r Records) Judge(key ssh.PublicKey) Verdict {
	verdict, plain := Silent, sshkey.Plain(key)
	for _, one := range r.list {
		if one.algorithm != algorithmOf(plain) {
			continue
		}
		fits, known := one.fits(plain.Marshal())
		switch {
		case known && !fits:
			return Mismatch
		case known:
			verdict = Match
		}
	}
	return verdict
}

// fits reports whether a record is the fingerprint of a key in its wire format; known is false for a digest that we do not have.
func (r record) fits(blob []byte) (fits, known bool) {
	var sum []byte
	switch r.digest {
	case sha1Digest:
		s := sha1.Sum(blob)
		sum = s[:]
	case sha256Digest:
		s := sha256.Sum256(blob)
		sum = s[:]
	default:
		return false, false
	}
	return subtle.ConstantTimeCompare(sum, []byte(r.fingerprint)) == 1, true
}

// algorithmOf returns the number of a type of keys; 0: it has none.
func algorithmOf(key ssh.PublicKey) byte {
	switch name := key.Type(); {
	case name == ssh.KeyAlgoRSA:
		return rsaKey
	case name == "ssh-dss": // RFC 4255 §3.1.1
		return dsaKey
	case strings.HasPrefix(name, "ecdsa-sha2-"):
		return ecdsaKey
	case name == ssh.KeyAlgoED25519:
		return ed25519Key
	}
	return 0
}
