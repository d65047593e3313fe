package hostkey

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// Key revocation lists: the binary form of RevokedHostKeys, written by ssh-keygen -k (PROTOCOL.krl of OpenSSH). What
// OpenSSH refuses to read is refused here too, because a list of which half is read revokes only half.

const (
	krlMagic  = "SSHKRL\n\x00"
	krlFormat = 1

	krlCertificates = 1
	krlExplicitKey  = 2
	krlSHA1         = 3
	krlSignature    = 4
	krlSHA256       = 5

	krlSerialList   = 0x20
	krlSerialRange  = 0x21
	krlSerialBitmap = 0x22
	krlKeyID        = 0x23
)

var errKRL = errors.New("malformed key revocation list")

// revocationList is what a key revocation list names.
type revocationList struct {
	keys    map[string]bool // plain keys in the wire format
	sha1s   map[string]bool // their hashes
	sha256s map[string]bool
	certs   map[string]*revokedCertificates // by the authority's key in the wire format; "" is for every authority
}

func isKRL(data []byte) bool { return bytes.HasPrefix(data, []byte(krlMagic)) }

// parseKRL reads a list. Signatures must be valid, but it does not matter whose they are: RevokedHostKeys trusts the file.
func parseKRL(data []byte) (*revocationList, error) {
	if !isKRL(data) {
		return nil, errKRL
	}
	r := &wireReader{rest: data[len(krlMagic):]}
	if err := skipKRLHeader(r); err != nil {
		return nil, err
	}
	list := &revocationList{
		keys: map[string]bool{}, sha1s: map[string]bool{}, sha256s: map[string]bool{},
		certs: map[string]*revokedCertificates{},
	}
	signers, err := list.sections(data, r)
	if err != nil {
		return nil, err
	}
	if len(signers) > 0 && !slices.ContainsFunc(signers, func(k ssh.PublicKey) bool { return !list.revokes(k) }) {
		return nil, errors.New("the key revocation list revokes all keys that signed it")
	}
	return list, nil
}

func skipKRLHeader(r *wireReader) error {
	if format := r.uint32(); !r.failed && format != krlFormat {
		return fmt.Errorf("key revocation list of format %d", format)
	}
	r.uint64()      // version of the list
	r.uint64()      // time it was made
	r.uint64()      // flags, none defined
	r.string()      // reserved
	r.textUpToNUL() // comment
	return r.err()
}

// sections reads all sections of data, of which r has the rest, and returns the keys that signed it.
func (l *revocationList) sections(data []byte, r *wireReader) (signers []ssh.PublicKey, err error) {
	for !r.failed && len(r.rest) > 0 {
		kind, body := r.byte(), r.string()
		if r.failed {
			break
		}
		if kind != krlSignature {
			if len(signers) > 0 {
				return nil, fmt.Errorf("%w: it goes on after its signature", errKRL)
			}
			if err := l.section(kind, body); err != nil {
				return nil, err
			}
			continue
		}
		signer, err := l.signer(data, r, body)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(signers, func(k ssh.PublicKey) bool { return sshkey.Same(k, signer) }) {
			return nil, fmt.Errorf("%w: signed twice with one key", errKRL)
		}
		signers = append(signers, signer)
	}
	return signers, r.err()
}

// signer checks a signature over all that stands before it, and returns its key.
func (l *revocationList) signer(data []byte, r *wireReader, blob []byte) (ssh.PublicKey, error) {
	key, err := parseKeyBlob(blob)
	if err != nil {
		return nil, fmt.Errorf("%w: signing key: %w", errKRL, err)
	}
	signed := data[:len(data)-len(r.rest)]
	var signature ssh.Signature
	if err := ssh.Unmarshal(r.string(), &signature); err != nil || r.failed {
		return nil, fmt.Errorf("%w: signature", errKRL)
	}
	if err := key.Verify(signed, &signature); err != nil {
		return nil, fmt.Errorf("key revocation list: %w", err)
	}
	return key, nil
}

func (l *revocationList) section(kind byte, body []byte) error {
	switch kind {
	case krlCertificates:
		return l.certificates(body)
	case krlExplicitKey:
		return collect(l.keys, body, 0)
	case krlSHA1:
		return collect(l.sha1s, body, sha1.Size)
	case krlSHA256:
		return collect(l.sha256s, body, sha256.Size)
	}
	return fmt.Errorf("%w: section of type %d", errKRL, kind)
}

// collect puts a sequence of strings into a set. They must have this size unless it is 0.
func collect(set map[string]bool, body []byte, size int) error {
	r := &wireReader{rest: body}
	for !r.failed && len(r.rest) > 0 {
		blob := r.string()
		if size > 0 && len(blob) != size {
			return fmt.Errorf("%w: hash of %d bytes", errKRL, len(blob))
		}
		set[string(blob)] = true
	}
	return r.err()
}

// revokes reports whether the list names the key, the certificate, or the authority that certified it.
func (l *revocationList) revokes(key ssh.PublicKey) bool {
	if l.names(sshkey.Plain(key)) {
		return true
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return false
	}
	authority := cert.SignatureKey.Marshal()
	return l.names(cert.SignatureKey) || l.certs[string(authority)].holds(cert) || l.certs[""].holds(cert)
}

func (l *revocationList) names(key ssh.PublicKey) bool {
	blob := key.Marshal()
	hash1, hash256 := sha1.Sum(blob), sha256.Sum256(blob)
	return l.keys[string(blob)] || l.sha1s[string(hash1[:])] || l.sha256s[string(hash256[:])]
}
