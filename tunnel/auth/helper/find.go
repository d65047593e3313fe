// Package helper runs the programs by which OpenSSH reaches tokens and cards, ssh-sk-helper and ssh-pkcs11-helper: it finds them, puts
// requests to them, and keeps what they say on standard error. They load libraries of third parties, and wait for devices and people:
// none can hold this process up, fill its memory or its log, show a PIN that it was given, or outlive the one who asked, with whatever
// it has started.
package helper

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
)

// places are directories for the programs of OpenSSH that nobody types: of Debian, Fedora, Arch and Alpine, the BSDs and macOS, by hand,
// of Homebrew and NixOS.
var places = []string{
	"/usr/lib/openssh",
	"/usr/libexec/openssh",
	"/usr/lib/ssh",
	"/usr/libexec",
	"/usr/local/libexec",
	"/opt/homebrew/opt/openssh/libexec",
	"/run/current-system/sw/libexec",
}

// Find returns the path of the helper of that name: named, which is what ssh's variable for it says, or, where that is empty, that of
// the ssh which is found first, or one in a usual place. The error says why there is none, and names no path.
func Find(name, named string) (string, error) {
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", withoutPath(err)
		}
		return path, nil
	}
	for _, directory := range slices.Concat(besideSSH(), places) {
		if path, err := exec.LookPath(filepath.Join(directory, name)); err == nil {
			return path, nil
		}
	}
	return "", fs.ErrNotExist
}

// besideSSH returns where the helpers of the ssh that is found first are: libexec of wherever it is installed, or its own directory, as
// on Windows.
func besideSSH() []string {
	path, err := exec.LookPath("ssh")
	if err != nil {
		return nil
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil
	}
	directory := filepath.Dir(path)
	return []string{filepath.Join(directory, "..", "libexec"), directory}
}

// withoutPath returns the reason alone.
func withoutPath(err error) error {
	if lookup := new(exec.Error); errors.As(err, &lookup) {
		err = lookup.Err
	}
	if at := new(fs.PathError); errors.As(err, &at) {
		err = at.Err
	}
	return err
}
