package acl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// A file in a directory that others are kept out of is nobody else's, until icacls grants somebody something.
func TestOthersAreSeen(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "private")
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := KeepOthersOut(directory); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	seen := func(rights windows.ACCESS_MASK) string {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		name, err := Other(file, rights)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	if name := seen(Any); name != "" {
		t.Errorf("%q is seen", name)
	}
	if out, err := exec.Command("icacls", path, "/grant", "*S-1-5-32-545:(R)").CombinedOutput(); err != nil { // Users
		t.Fatalf("%v: %s", err, out)
	}
	if name := seen(Any); !strings.Contains(name, `\`) {
		t.Errorf("of Users, who may read, it says %q", name)
	}
	if name := seen(Change); name != "" {
		t.Errorf("%q may change what it may only read", name)
	}
}
