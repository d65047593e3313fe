//go:build unix

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// piped returns the name of a file of this process through which text comes, once.
func piped(t *testing.T, text string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	return fmt.Sprintf("/dev/fd/%d", r.Fd())
}

// What comes through a pipe (-F <(...)) is read again for a jump host and in the second pass: they had none of it, in silence.
func TestConfigurationThroughAPipe(t *testing.T) {
	p := newPerson(t)
	file := piped(t, "Match final host real\n Port 9\nHost a\n HostName real\n ProxyJump b\nHost b\n HostName gate\n User bob\n")
	equal(t, "way", way(p.mustResolve("a", Flag{'F', file})), "bob@gate:22 me@real:9")
}

// And for the aliases in it, for each of them, and for a reload.
func TestConfigurationThroughAPipeForSeveral(t *testing.T) {
	p := newPerson(t)
	p.environment.Once = new(Once)
	file := piped(t, "Host a\n Port 1\nHost b\n Port 2\n")
	if names, err := Aliases(p.environment, file); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("%q, %v", names, err)
	}
	for range 2 {
		equal(t, "port of a", p.mustResolve("a", Flag{'F', file}).Port, 1)
		equal(t, "port of b", p.mustResolve("b", Flag{'F', file}).Port, 2)
	}
}

// A named pipe waits for a writer each time that it is opened.
func TestConfigurationThroughANamedPipe(t *testing.T) {
	p := newPerson(t)
	p.environment.Once = new(Once)
	file := filepath.Join(p.environment.Home, "pipe")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(file, []byte("Host a\n ProxyJump b\nHost b\n User bob\n"), 0o600)
	if names, err := Aliases(p.environment, file); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("%q, %v", names, err)
	}
	equal(t, "way", way(p.mustResolve("a", Flag{'F', file})), "bob@b:22 me@a:22")
}

// A file with a name is read anew: it may have been changed.
func TestFilesAreReadAnew(t *testing.T) {
	p := newPerson(t)
	p.environment.Once = new(Once)
	p.user("Port 1\n")
	equal(t, "port", p.mustResolve("a").Port, 1)
	p.user("Port 2\n")
	equal(t, "port", p.mustResolve("a").Port, 2)
}
