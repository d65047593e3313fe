package hostkey

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tunneld/tunneld/config/filelock"
	"golang.org/x/crypto/ssh"
)

// lockPatience is how long to wait for another writer of a file of known hosts.
const lockPatience = 5 * time.Second

// appendKnownHost adds lines for the names that do not hold the key yet, and makes the file and a missing .ssh directory
// above it. Writers take turns by flock, and each writes all it has in one piece at the end, so that none loses a line of
// another's, nor of ssh, which does not lock.
func appendKnownHost(ctx context.Context, path string, names []string, key ssh.PublicKey, hash bool) error {
	if dir := filepath.Dir(path); filepath.Base(dir) == ".ssh" {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	file, err := openLocked(ctx, path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	defer file.Close()
	old, err := readRegular(file)
	if err != nil {
		return err
	}
	text := knownHostsText(missingNames(string(old), names, key), key, hash)
	if text == "" {
		return nil
	}
	if len(old) > 0 && !bytes.HasSuffix(old, []byte("\n")) {
		text = "\n" + text
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	return file.Close()
}

// readRegular reads a file to its end; devices, such as /dev/null, have nothing to read.
func readRegular(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(file)
}

// missingNames leaves out the names that another process has written down in the meantime.
func missingNames(text string, names []string, key ssh.PublicKey) []string {
	file := knownHostsFile{lines: splitLines(text)}
	var missing []string
	for _, name := range names {
		if found, _ := file.lookup(name).judge(key); found != keyKnown {
			missing = append(missing, name)
		}
	}
	return missing
}

// knownHostsText returns the lines to write: one for all names, or one hashed for each.
func knownHostsText(names []string, key ssh.PublicKey, hash bool) string {
	if len(names) == 0 {
		return ""
	}
	if !hash {
		names = []string{strings.Join(names, ",")}
	}
	var b strings.Builder
	for _, name := range names {
		if hash {
			name = hashName(name, newSalt())
		}
		fmt.Fprintf(&b, "%s %s %s\n", name, key.Type(), base64.StdEncoding.EncodeToString(key.Marshal()))
	}
	return b.String()
}

// openLocked opens a file and waits for its lock, which Close releases. A file that was replaced in the meantime is opened again.
// Where the file system has no locks it goes on without.
func openLocked(ctx context.Context, path string, flag int) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, filelock.ErrHeld)
	defer cancel()
	for {
		file, err := os.OpenFile(path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		if err := filelock.Wait(ctx, file); err != nil {
			file.Close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if isStill(file, path) {
			return file, nil
		}
		file.Close()
	}
}

// isStill reports whether the path still leads to the open file.
func isStill(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	present, err := os.Stat(path)
	return err == nil && os.SameFile(opened, present)
}
