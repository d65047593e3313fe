package hostkey

import (
	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// verdict is what the files of known hosts say about a key.
type verdict int

const (
	keyUnknown verdict = iota // no key, or no authority, is held for the name
	keyKnown                  // held, or certified by an authority that is held
	keyChanged                // other keys are held for the name, this one is not
	keyRevoked                // it, or the authority that certified it, is marked @revoked for the name
)

// knownHosts are the lines that name one host, in the order of the files.
type knownHosts []knownHost

// judge returns what is known of the key, and by which line: the one that holds it, or for keyChanged one that contradicts it, of
// the same type if possible. As in OpenSSH, a known key of any type makes a key of another type a changed one, certificates are
// compared by their authority with @cert-authority lines alone, and @revoked overrules everything.
func (k knownHosts) judge(key ssh.PublicKey) (verdict, *knownHost) {
	if k.revokes(key) {
		return keyRevoked, k.first(markRevoked)
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		return k.judgeAuthority(cert)
	}
	var contradicts *knownHost
	for i := range k {
		switch known := &k[i]; {
		case known.marker != markNone:
		case sshkey.Same(known.key, key):
			return keyKnown, known
		case contradicts == nil || contradicts.key.Type() != key.Type():
			contradicts = known
		}
	}
	if contradicts != nil {
		return keyChanged, contradicts
	}
	return keyUnknown, nil
}

func (k knownHosts) judgeAuthority(cert *ssh.Certificate) (verdict, *knownHost) {
	for i := range k {
		if k[i].marker == markCA && sshkey.Same(sshkey.Plain(k[i].key), cert.SignatureKey) {
			return keyKnown, &k[i]
		}
	}
	return keyUnknown, nil
}

// revokes reports whether the key, or the authority that certified it, is marked @revoked for the name.
func (k knownHosts) revokes(key ssh.PublicKey) bool {
	cert, certified := key.(*ssh.Certificate)
	for i := range k {
		if k[i].marker != markRevoked {
			continue
		}
		revoked := sshkey.Plain(k[i].key)
		if sshkey.Same(revoked, sshkey.Plain(key)) || certified && sshkey.Same(revoked, cert.SignatureKey) {
			return true
		}
	}
	return false
}

func (k knownHosts) first(mark marker) *knownHost {
	for i := range k {
		if k[i].marker == mark {
			return &k[i]
		}
	}
	return nil
}

// holdsType reports whether a key of this type that is not revoked is held. Only the first of a type counts.
func (k knownHosts) holdsType(name string) bool {
	for i := range k {
		if k[i].marker == markNone && k[i].key.Type() == name {
			return !k.revokes(k[i].key)
		}
	}
	return false
}
