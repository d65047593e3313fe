package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRuntimeDirectories(t *testing.T) {
	own := fmt.Sprintf("/tmp/tunneld-%d", os.Getuid())
	last := []string{own, "/run/tunneld"}
	if os.Getuid() == 0 {
		last = last[1:]
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		want []string
	}{
		{"ours alone", map[string]string{"TUNNELD_RUNTIME_DIR": "/a", "RUNTIME_DIRECTORY": "/b", "XDG_RUNTIME_DIR": "/c"}, []string{"/a"}},
		{"systemd's first of several", map[string]string{"RUNTIME_DIRECTORY": "/b:/d", "XDG_RUNTIME_DIR": "/c"}, append([]string{"/b", "/c/tunneld"}, last...)},
		{"the session's", map[string]string{"XDG_RUNTIME_DIR": "/c"}, append([]string{"/c/tunneld"}, last...)},
		{"none", nil, last},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range runtimeDirectories(func(name string) string { return c.env[name] }) {
				got = append(got, d.path)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestRuntimeDirectoryIsMadePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tunneld")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (directory{path: path}).prepare(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v; want mode 700", info.Mode(), err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := (directory{path: link}).prepare(); err == nil {
		t.Error("a link was followed")
	}
}

func TestSocketNamesStayInTheDirectory(t *testing.T) {
	long := strings.Repeat("long", 50)
	names := []string{"db", "../../etc/passwd", "/", ".", "..", "-rf", ".hidden", "a b\nc", "ssh://bob@host:22", "bob@host", "", "ä", long, long + "er"}
	seen := make(map[string]string)
	for _, name := range names {
		file := socketName(name)
		if filepath.Base(file) != file || strings.HasPrefix(file, ".") || strings.HasPrefix(file, "-") || len(file) > 65 ||
			!strings.HasSuffix(file, ".sock") || strings.ContainsAny(file, " \n/") {
			t.Errorf("%q becomes %q", name, file)
		}
		if other, taken := seen[file]; taken && len(name) > socketNameMax {
			t.Errorf("%q and %q both become %q", name, other, file)
		}
		seen[file] = name
	}
	if got := socketName("bob@host"); got != "bob@host.sock" {
		t.Errorf("bob@host becomes %q", got)
	}
}
