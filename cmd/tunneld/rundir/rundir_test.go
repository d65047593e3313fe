//go:build unix

package rundir

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRuntimeDirectories(t *testing.T) {
	own := fmt.Sprintf("/tmp/tunneld-%d", os.Getuid())
	last := []string{own}
	if os.Getuid() == 0 {
		last = []string{"/run/tunneld", own}
	}
	instances := filepath.Join(t.TempDir(), "tunneld@")
	for _, name := range []string{"db", "web"} {
		if err := os.Mkdir(instances+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	system := []string{fmt.Sprintf("/run/user/%d/tunneld", os.Getuid()), "/run/tunneld", instances + "db", instances + "web"}
	for _, c := range []struct {
		name string
		env  map[string]string
		want []string // places of our socket
		more []string // where others are searched besides
	}{
		{"ours alone", map[string]string{"TUNNELD_RUNTIME_DIR": "/a", "RUNTIME_DIRECTORY": "/b", "XDG_RUNTIME_DIR": "/c"}, []string{"/a"}, nil},
		{"systemd's first of several", map[string]string{"RUNTIME_DIRECTORY": "/b:/d", "XDG_RUNTIME_DIR": "/c"}, []string{"/b"},
			slices.Concat([]string{"/c/tunneld"}, last, system)},
		{"the session's", map[string]string{"XDG_RUNTIME_DIR": "/c"}, append([]string{"/c/tunneld"}, last...), system},
		{"none", nil, last, system},
	} {
		t.Run(c.name, func(t *testing.T) {
			getenv := func(name string) string { return c.env[name] }
			paths := func(list []Directory) (paths []string) {
				for _, d := range list {
					paths = append(paths, d.Path)
				}
				return paths
			}
			if got := paths(RuntimeDirectories(getenv)); !slices.Equal(got, c.want) {
				t.Errorf("takes %q, want %q", got, c.want)
			}
			if got, want := paths(SearchedDirectories(getenv, instances)), unique(slices.Concat(c.want, c.more)); !slices.Equal(got, want) {
				t.Errorf("searches %q, want %q", got, want)
			}
		})
	}
}

// A container's root has no /run, and with --read-only cannot make one: its health check never found the process.
func TestControlSocketGoesWhereItCanBeWritten(t *testing.T) {
	barrier := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(barrier, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	last := filepath.Join(t.TempDir(), "last")
	places := []Directory{{Path: filepath.Join(barrier, "tunneld")}, {Path: link}, {Path: last}}
	if place, err := Writable(slog.New(slog.DiscardHandler), places); err != nil || place.Path != last {
		t.Errorf("%q, %v; want the only one that can be made and is no link", place.Path, err)
	}
	if _, err := Writable(slog.New(slog.DiscardHandler), places[:2]); err == nil {
		t.Error("a place was found where there is none")
	}
}

// Anybody may have made our directory in /tmp: that says nothing about our tunnels, and root's `tunneld health` succeeds.
func TestSquattedDirectoryIsPassedOver(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have a directory of somebody else")
	}
	path := t.TempDir()
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if list, err := (Directory{Path: path, open: true}).Sockets(); err != nil || len(list) > 0 {
		t.Errorf("%q, %v; want nothing", list, err)
	}
	if err := (Directory{Path: path, open: true}).Prepare(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a socket would be made in somebody else's directory: %v", err)
	}
}

// With sudo -E, XDG_RUNTIME_DIR is that of another user, who can put a link to anywhere in the place of what root makes there.
func TestRootMakesNothingInTheDirectoryOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have a directory of somebody else")
	}
	session := t.TempDir()
	if err := os.Chown(session, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": session}[name] }
	if err := RuntimeDirectories(getenv)[0].Prepare(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v, want it refused", err)
	}
	if made, _ := os.ReadDir(session); len(made) > 0 {
		t.Errorf("root has made %v", made)
	}
	if err := os.Chown(session, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := RuntimeDirectories(getenv)[0].Prepare(); err != nil {
		t.Errorf("in a directory of its own: %v", err)
	}
}

func TestRuntimeDirectoryIsMadePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tunneld")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (Directory{Path: path}).Prepare(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v; want mode 700", info.Mode(), err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := (Directory{Path: link}).Prepare(); err == nil {
		t.Error("a link was followed")
	}
}

func TestSocketNamesStayInTheDirectory(t *testing.T) {
	long := strings.Repeat("long", 50)
	names := []string{"db", "../../etc/passwd", "/", ".", "..", "-rf", ".hidden", "a b\nc", "ssh://bob@host:22", "bob@host", "", "ä", long, long + "er"}
	seen := make(map[string]string)
	for _, name := range names {
		file := SocketName(name)
		if filepath.Base(file) != file || strings.HasPrefix(file, ".") || strings.HasPrefix(file, "-") || len(file) > 65 ||
			!strings.HasSuffix(file, ".sock") || strings.ContainsAny(file, " \n/") {
			t.Errorf("%q becomes %q", name, file)
		}
		if other, taken := seen[file]; taken && len(name) > SocketNameMax {
			t.Errorf("%q and %q both become %q", name, other, file)
		}
		seen[file] = name
	}
	if got := SocketName("bob@host"); got != "bob@host.sock" {
		t.Errorf("bob@host becomes %q", got)
	}
}

// unique returns list without what comes again.
func unique(list []string) (once []string) {
	for _, path := range list {
		if !slices.Contains(once, path) {
			once = append(once, path)
		}
	}
	return once
}
