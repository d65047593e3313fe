package sk

import (
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/crypto/blowfish" //nolint:staticcheck // deprecated for new designs; OpenSSH's key files are encrypted by it
)

// maxRounds bounds what a key file can cost, to a quarter of a minute; x/crypto reads no more of other keys either.
const maxRounds = 2048

// hashSize is how many bytes one hash makes.
const hashSize = 32

// bcryptKey derives size bytes from a passphrase, as bcrypt_pbkdf(3) of OpenBSD. x/crypto has it for itself alone.
func bcryptKey(passphrase string, salt []byte, rounds uint32, size int) ([]byte, error) {
	switch {
	case passphrase == "":
		return nil, x509.IncorrectPasswordError
	case len(salt) == 0:
		return nil, errMalformed
	case rounds < 1 || rounds > maxRounds:
		return nil, errors.New("its key derivation is too expensive (rewrite it: ssh-keygen -p -a 16 -f FILE)")
	}
	password := sha512.Sum512([]byte(passphrase))
	count := (size + hashSize - 1) / hashSize
	key := make([]byte, count*hashSize)
	for n := range count {
		sum := sha512.Sum512(binary.BigEndian.AppendUint32(slices.Clone(salt), uint32(n+1)))
		hash, err := bcryptHash(password, sum)
		if err != nil {
			return nil, err
		}
		all := hash
		for range rounds - 1 {
			if hash, err = bcryptHash(password, sha512.Sum512(hash[:])); err != nil {
				return nil, err
			}
			for i := range all {
				all[i] ^= hash[i]
			}
		}
		for i, b := range all { // the bytes of the blocks alternate
			key[i*count+n] = b
		}
	}
	return key[:size], nil
}

// bcryptHash is one block of bcrypt_pbkdf: bcrypt of SHA-512 sums, with a text of its own.
func bcryptHash(password, salt [sha512.Size]byte) ([hashSize]byte, error) {
	out := [hashSize]byte([]byte("OxychromaticBlowfishSwatDynamite"))
	c, err := blowfish.NewSaltedCipher(password[:], salt[:])
	if err != nil {
		return out, err
	}
	for range 64 {
		blowfish.ExpandKey(salt[:], c)
		blowfish.ExpandKey(password[:], c)
	}
	for block := range slices.Chunk(out[:], blowfish.BlockSize) {
		for range 64 {
			c.Encrypt(block, block)
		}
	}
	for word := range slices.Chunk(out[:], 4) {
		slices.Reverse(word)
	}
	return out, nil
}
