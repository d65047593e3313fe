package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// maxKeyFile is the most that is read of a key file, in bytes (MAX_KEY_FILE_SIZE of OpenSSH's authfile.c).
const maxKeyFile = 1 << 20

// errUnprotected is the refusal of a private key that others may read.
var errUnprotected = errors.New("unprotected private key file")

// readKeyFile reads a whole key file. Only regular files are read, so that a pipe or a device cannot block for ever.
func readKeyFile(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, keyFileFlags, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := statPrivate(f)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxKeyFile)}
	}
	return data, info, err
}

// readPublicHalf finds the public key that goes with an identity file, as sshkey_load_public of OpenSSH's authfile.c
// does: the file itself may be a public key, then FILE.pub, then the public half inside a private key in OpenSSH's format.
// The error wraps fs.ErrNotExist where there is none of these, or none whose public half can be read without a passphrase.
func readPublicHalf(path string) (ssh.PublicKey, error) {
	data, _, err := readKeyFile(path)
	if err == nil {
		if public := parsePublicLines(data); public != nil {
			return public, nil
		}
	}
	if beside, _, besideErr := readKeyFile(path + ".pub"); besideErr == nil {
		if public := parsePublicLines(beside); public != nil {
			return public, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if public := embeddedPublic(data); public != nil {
		return public, nil
	}
	return nil, fmt.Errorf("%s: no public key: %w", path, fs.ErrNotExist)
}

// holdsPrivate reports whether an identity file has a private half. One that has the public half alone names the key of an agent or a
// token.
func holdsPrivate(path string) bool {
	data, _, err := readKeyFile(path)
	return err == nil && parsePublicLines(data) == nil
}

// readCertificate reads a user certificate from path or, where that holds none, from path with ".pub" added.
func readCertificate(path string) (*ssh.Certificate, error) {
	public, err := readPublicHalf(path)
	if err != nil {
		return nil, err
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("%s: a %s key, not a certificate", path, sshkey.TypeOf(public))
	}
	if certificate.CertType != ssh.UserCert {
		return nil, fmt.Errorf("%s: not a user certificate", path)
	}
	return certificate, nil
}

// parsePublicLines returns the first public key of a file in the form "type base64 comment", or nil. A private key ends
// the search, as in sshkey_try_load_public.
func parsePublicLines(data []byte) ssh.PublicKey {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("-----BEGIN")) {
			return nil
		}
		fields := strings.Fields(string(line))
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(fields[1])
		if err != nil {
			continue
		}
		if public, err := ssh.ParsePublicKey(blob); err == nil && public.Type() == fields[0] {
			return public
		}
	}
	return nil
}

// embeddedPublic returns the public half that OpenSSH's private key format carries in the clear (PROTOCOL.key), or nil. Unlike
// x/crypto it can read files with sk keys.
func embeddedPublic(data []byte) ssh.PublicKey {
	const magic = "openssh-key-v1\x00"
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" || !bytes.HasPrefix(block.Bytes, []byte(magic)) {
		return nil
	}
	var outer struct {
		Cipher, KDF, KDFOptions string
		Keys                    uint32
		Public                  []byte
		Rest                    []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(block.Bytes[len(magic):], &outer); err != nil || outer.Keys != 1 {
		return nil
	}
	public, err := ssh.ParsePublicKey(outer.Public)
	if err != nil {
		return nil
	}
	return public
}
