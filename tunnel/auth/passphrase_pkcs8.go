package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/ssh"
)

// maxPBKDF2Iterations bounds the time that a key file can cost: a few seconds.
const maxPBKDF2Iterations = 10_000_000

// encryptedPKCS8 is the type of PEM block that OpenSSL and ssh-keygen -m PKCS8 write, and x/crypto does not read.
const encryptedPKCS8 = "ENCRYPTED PRIVATE KEY"

// The structures of RFC 5208 §6 and RFC 8018 appendix A.
type (
	encryptedPrivateKeyInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Parameters struct {
		KDF    pkix.AlgorithmIdentifier
		Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Parameters struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
)

// pbkdf2Hashes are the pseudo-random functions of RFC 8018 §B.1.
var pbkdf2Hashes = map[string]func() hash.Hash{
	"":                    sha1.New, // the default
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// pbes2Ciphers are the ciphers of RFC 8018 §B.2 that are in use, all in CBC mode.
var pbes2Ciphers = map[string]struct {
	keyLength int
	block     func(key []byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// decryptPKCS8 parses an encrypted PKCS#8 key.
func decryptPKCS8(der []byte, passphrase string) (ssh.Signer, error) {
	var info encryptedPrivateKeyInfo
	var parameters pbes2Parameters
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	if oid := info.Algorithm.Algorithm.String(); oid != oidPBES2 {
		return nil, fmt.Errorf("encrypted with %s, which is not supported (rewrite it: ssh-keygen -p -f FILE)", oid)
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &parameters); err != nil {
		return nil, err
	}
	plain, err := parameters.decrypt(info.Data, passphrase)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errWrongPassphrase // what a wrong one makes of the data can look like padding
	}
	return ssh.NewSignerFromKey(key)
}

// decrypt undoes PBES2 (RFC 8018 §6.2).
func (p pbes2Parameters) decrypt(data []byte, passphrase string) ([]byte, error) {
	scheme, known := pbes2Ciphers[p.Cipher.Algorithm.String()]
	if !known || p.KDF.Algorithm.String() != oidPBKDF2 {
		return nil, errors.New("encrypted in a way that is not supported (rewrite it: ssh-keygen -p -f FILE)")
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	var kdf pbkdf2Parameters
	if _, err := asn1.Unmarshal(p.KDF.Parameters.FullBytes, &kdf); err != nil {
		return nil, err
	}
	newHash := pbkdf2Hashes[kdf.PRF.Algorithm.String()]
	if newHash == nil || kdf.Iterations < 1 || kdf.Iterations > maxPBKDF2Iterations {
		return nil, errors.New("its key derivation is not supported (rewrite it: ssh-keygen -p -f FILE)")
	}
	key, err := pbkdf2.Key(newHash, passphrase, kdf.Salt, kdf.Iterations, scheme.keyLength)
	if err != nil {
		return nil, err
	}
	block, err := scheme.block(key)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, errors.New("malformed encrypted key")
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > size {
		return nil, errWrongPassphrase
	}
	return plain[:len(plain)-padding], nil
}
