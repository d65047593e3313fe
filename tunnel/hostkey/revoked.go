package hostkey

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

// maxRevokedSize is the largest file that RevokedHostKeys may name, in bytes; it is OpenSSH's limit.
const maxRevokedSize = 128 << 20

// revokedByFile reports whether the file of RevokedHostKeys, a key revocation list or a text file with a public key on each
// line, names the key or the authority that certified it. A file that cannot be read whole proves nothing: on an error
// the key must be refused.
func revokedByFile(path string, key ssh.PublicKey) (bool, error) {
	text, err := readLimited(path, maxRevokedSize)
	if err != nil {
		return false, err
	}
	if isKRL(text) {
		list, err := parseKRL(text)
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, foreign.Error(err))
		}
		return list.revokes(key), nil
	}
	return revokedByList(path, string(text), key)
}

func readLimited(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return text, err
}

// revokedByList reads up to the key, or to a line that is none.
func revokedByList(path, text string, key ssh.PublicKey) (bool, error) {
	cert, certified := key.(*ssh.Certificate)
	for i, line := range splitLines(text) {
		line, _, _ = strings.Cut(line, "\x00")
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		revoked, err := parseKeyText(line)
		if err != nil {
			return false, fmt.Errorf("%s:%d: %w", path, i+1, foreign.Error(err))
		}
		revoked = sshkey.Plain(revoked)
		if sshkey.Same(revoked, sshkey.Plain(key)) || certified && sshkey.Same(revoked, cert.SignatureKey) {
			return true, nil
		}
	}
	return false, nil
}
