package sk

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
)

// Key is the file of a key in a token: the public half, and what the token needs to find the other.
type Key struct {
	public  ssh.PublicKey
	flags   byte   // of the key (PROTOCOL.u2f)
	private []byte // as sshkey_private_serialize of OpenSSH's sshkey.c writes it
}

// PublicKey returns the public half.
func (k *Key) PublicKey() ssh.PublicKey { return k.public }

// flagPresence says that the token signs only when somebody touches it (SSH_SK_USER_PRESENCE_REQD of OpenSSH's sk-api.h).
const flagPresence = 0x01

// WantsTouch reports whether the token signs only when somebody touches it.
func (k *Key) WantsTouch() bool { return k.flags&flagPresence != 0 }

var errMalformed = errors.New("malformed file of a key in a token")

// container is a private key file in OpenSSH's format (PROTOCOL.key).
type container struct {
	Cipher, KDF string
	KDFOptions  []byte
	Keys        uint32
	Public      []byte
	Private     []byte
	Rest        []byte `ssh:"rest"`
}

// Parse reads the file of a key in a token; passphrase is of no use where the file is not encrypted. A wrong one is
// x509.IncorrectPasswordError, as it is for x/crypto, which does not know the keys of tokens.
func Parse(data []byte, passphrase string) (*Key, error) {
	const magic = "openssh-key-v1\x00"
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" || !bytes.HasPrefix(block.Bytes, []byte(magic)) {
		return nil, errMalformed
	}
	var c container
	if err := ssh.Unmarshal(block.Bytes[len(magic):], &c); err != nil || c.Keys != 1 {
		return nil, errMalformed
	}
	public, err := ssh.ParsePublicKey(c.Public)
	if err != nil || public.Type() != ssh.KeyAlgoSKED25519 && public.Type() != ssh.KeyAlgoSKECDSA256 {
		return nil, errMalformed
	}
	plain, err := c.decrypt(passphrase)
	if err != nil {
		return nil, err
	}
	if len(plain) < 8 || !bytes.Equal(plain[:4], plain[4:8]) {
		if c.KDF == "none" {
			return nil, errMalformed
		}
		return nil, x509.IncorrectPasswordError
	}
	return parsePrivate(public, c.Public, plain[8:])
}

// parsePrivate reads what follows the check bytes: the public half once more, to the letter as it stands outside, then what is of
// tokens alone (sshkey_serialize_sk of OpenSSH's sshkey.c), a comment and padding.
func parsePrivate(public ssh.PublicKey, blob, body []byte) (*Key, error) {
	rest, ok := bytes.CutPrefix(body, blob)
	if !ok {
		return nil, errors.New("the two halves of the file do not belong together")
	}
	var token struct {
		Flags            byte
		Handle, Reserved []byte
		Comment          string
		Padding          []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(rest, &token); err != nil {
		return nil, errMalformed
	}
	for i, b := range token.Padding {
		if b != byte(i+1) {
			return nil, errMalformed
		}
	}
	behind := 4 + len(token.Comment) + len(token.Padding)
	return &Key{public: public, flags: token.Flags, private: slices.Clone(body[:len(body)-behind])}, nil
}

// decrypt returns the private half, which is not encrypted where there is no passphrase.
func (c container) decrypt(passphrase string) ([]byte, error) {
	if c.Cipher == "none" && c.KDF == "none" {
		return c.Private, nil
	}
	size := map[string]int{"aes128": 16, "aes192": 24, "aes256": 32}
	name, mode, _ := strings.Cut(c.Cipher, "-")
	if c.KDF != "bcrypt" || size[name] == 0 || mode != "ctr" && mode != "cbc" {
		return nil, fmt.Errorf("encrypted with %s, which is not supported (rewrite it: ssh-keygen -p -Z aes256-ctr -f FILE)", foreign.Line(c.Cipher))
	}
	var options struct {
		Salt   []byte
		Rounds uint32
	}
	if err := ssh.Unmarshal(c.KDFOptions, &options); err != nil {
		return nil, errMalformed
	}
	derived, err := bcryptKey(passphrase, options.Salt, options.Rounds, size[name]+aes.BlockSize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived[:size[name]])
	if err != nil {
		return nil, err
	}
	iv, plain := derived[size[name]:], make([]byte, len(c.Private))
	switch {
	case mode == "ctr":
		cipher.NewCTR(block, iv).XORKeyStream(plain, c.Private)
	case len(plain)%aes.BlockSize != 0:
		return nil, errMalformed
	default:
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, c.Private)
	}
	return plain, nil
}
