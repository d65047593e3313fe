package auth

import (
	"bytes"
	"context"
	"fmt"
	"github.com/tunneld/tunneld/tunnel/fault"
	"io"
	"os"
	"time"
)

const (
	maxSecretFile  = 64 << 10        // bytes; the most that is read of a file with a secret
	secretPatience = 5 * time.Second // how long the writer of a pipe may take
)

// readSecretFile returns the first line of a file without its end. The file may be a pipe that somebody has open.
func readSecretFile(ctx context.Context, path string) (string, error) {
	f, err := os.OpenFile(path, keyFileFlags, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	f.SetReadDeadline(time.Now().Add(secretPatience)) // of a regular file there is none, and no need
	defer context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })()
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

// warnReadable warns, the first time, that others may read a file of ours with a secret. The file is used nevertheless: the secret
// is out already, and some platforms cannot mount it otherwise.
func (a *Attempt) warnReadable(path string) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() && checkPrivate(info) != nil && a.credentials.firstTime("readable "+path) {
		a.log.Warn("others may read a file with a secret", "file", path, "hint", "make it readable by you only: chmod 600 "+fault.ShellQuote(path))
	}
}
