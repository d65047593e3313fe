package auth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	maxSecretFile  = 64 << 10        // bytes; the most that is read of a file with a secret
	secretPatience = 5 * time.Second // how long the writer of a pipe may take
)

// exposedSecretError is the refusal of a file of ours with a secret that others may read: the rule of private keys.
type exposedSecretError struct {
	path string
	mode fs.FileMode
}

func (e *exposedSecretError) Error() string {
	return fmt.Sprintf("%s: others may read it: mode %04o is too open", e.path, e.mode)
}

// readSecretFile returns the first line of a file without its end. The file may be a pipe that somebody has open. Its rights are
// those that a private key needs (checkPrivate).
func readSecretFile(ctx context.Context, path string) (string, error) {
	f, err := os.OpenFile(path, keyFileFlags, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	f.SetReadDeadline(time.Now().Add(secretPatience)) // of a regular file there is none, and no need
	defer context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })()
	if info, err := statPrivate(f); err == nil && info.Mode().IsRegular() && checkPrivate(info) != nil {
		return "", &exposedSecretError{path, info.Mode().Perm()}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecretFile))
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return "", fmt.Errorf("%s: empty", path)
	}
	return string(line), nil
}
