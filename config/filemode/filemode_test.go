//go:build unix

package filemode

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Who may write to the directory puts a link to somebody else's file where the socket was a moment ago.
func TestChmodDoesNotFollowALink(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	if err := os.WriteFile(at("victim"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.Mkdir(at("directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "victim", "to-socket": "socket", "to-directory": "directory"} {
		if err := os.Symlink(at(target), at(link)); err != nil {
			t.Fatal(err)
		}
	}
	modeOf := func(name string) os.FileMode {
		info, err := os.Stat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	before := modeOf("socket")
	for _, name := range []string{"link", "to-socket", "victim", "directory", "missing"} {
		if err := Socket(at(name), 0o600); err == nil {
			t.Errorf("%s was changed", name)
		}
	}
	if modeOf("victim") != 0o644 || modeOf("socket") != before || modeOf("directory") != 0o755 {
		t.Errorf("victim %v, socket %v, directory %v", modeOf("victim"), modeOf("socket"), modeOf("directory"))
	}
	if err := Socket(at("socket"), 0o640); err != nil || modeOf("socket") != 0o640 {
		t.Errorf("the socket itself: %v, mode %v", err, modeOf("socket"))
	}

	for _, name := range []string{"to-directory", "victim", "missing"} {
		if err := Directory(at(name), 0o700, false); err == nil {
			t.Errorf("%s was changed", name)
		}
	}
	if modeOf("directory") != 0o755 {
		t.Error("the link was followed")
	}
	if err := Directory(at("directory"), 0o700, false); err != nil || modeOf("directory") != 0o700 {
		t.Errorf("the directory itself: %v, mode %v", err, modeOf("directory"))
	}
	if err := Directory(at("to-directory"), 0o750, true); err != nil || modeOf("directory") != 0o750 {
		t.Errorf("through a link that may be one: %v, mode %v", err, modeOf("directory"))
	}
}
