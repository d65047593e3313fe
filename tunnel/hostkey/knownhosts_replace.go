package hostkey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
)

// replacement is the set of keys that a host has from now on. All other lines, comments and lines that cannot be read
// stay as they are and where they are.
type replacement struct {
	host    string
	address string // known_hosts' name of the address under CheckHostIP, else empty
	keys    []ssh.PublicKey
	hash    bool
}

// replaceKnownHosts rewrites a file of known hosts as a new file with the old one's name, mode and owner, so that a reader sees
// either of them whole. The old one stays as FILE.old, as with ssh. A missing file stays missing. A symbolic link stays one; ssh
// puts a file in its place.
func replaceKnownHosts(ctx context.Context, path string, r replacement) error {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := openLocked(ctx, real, os.O_RDWR)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", real)
	}
	old, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	lines, modified := r.apply(splitLines(string(old)))
	if !modified {
		return nil
	}
	return supersede(file, real, info, strings.Join(append(lines, ""), "\n"))
}

// apply removes the lines of the host that hold other keys, and adds missing ones at the end. Lines with a marker stay.
func (r replacement) apply(lines []string) (kept []string, modified bool) {
	present := make([]bool, len(r.keys))
	for _, text := range lines {
		key := r.keyOf(text)
		if key == nil {
			kept = append(kept, text)
			continue
		}
		if i := slices.IndexFunc(r.keys, func(k ssh.PublicKey) bool { return sshkey.Same(k, key) }); i >= 0 {
			present[i] = true
			kept = append(kept, text)
		}
	}
	modified = len(kept) < len(lines)
	for i, key := range r.keys {
		if !present[i] {
			kept = append(kept, splitLines(knownHostsText(r.names(), key, r.hash))...)
			modified = true
		}
	}
	return kept, modified
}

func (r replacement) names() []string {
	if r.address == "" {
		return []string{r.host}
	}
	return []string{r.host, r.address}
}

// keyOf returns the key of a plain line of the host, and nil for all other lines.
func (r replacement) keyOf(text string) ssh.PublicKey {
	line, ok := parseKnownHostsLine(text)
	if !ok || line.marker != markNone {
		return nil
	}
	if !matchNames(line.hosts, r.host) && (r.address == "" || !matchNames(line.hosts, r.address)) {
		return nil
	}
	key, err := parseKeyText(line.key)
	if err != nil {
		return nil
	}
	return key
}

// supersede puts text in the place of a file, which is open.
func supersede(old *os.File, path string, info os.FileInfo, text string) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // gone already if all went well
	defer fresh.Close()
	if _, err := fresh.WriteString(text); err != nil {
		return err
	}
	if err := fresh.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	giveTo(fresh, info)
	if err := errors.Join(fresh.Sync(), fresh.Close()); err != nil {
		return err
	}
	backup := path + ".old"
	if err := os.Remove(backup); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(path, backup); err != nil {
		return err
	}
	if err := letGo(old); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}
