package rundir

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// stranger is a user who does not exist.
const stranger = 54321

// home makes a stranger's runtime directory below a place for such, and returns it.
func home(t *testing.T, sessions string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to look at another user's files")
	}
	path := filepath.Join(sessions, "54321", "tunneld")
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	give(t, filepath.Dir(path), path)
	return path
}

// give makes files the stranger's.
func give(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Lchown(path, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	}
}

// listen has this process, which is root's, listen on a socket.
func listen(t *testing.T, path string) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func found(sessions, temporary string) (paths []string) {
	for _, s := range UserSockets(sessions, temporary, nil) {
		paths = append(paths, strings.TrimPrefix(strings.TrimPrefix(s.Path, sessions), temporary))
	}
	return paths
}

func TestSocketsOfUsersAreFound(t *testing.T) {
	sessions, temporary := t.TempDir(), t.TempDir()
	path := home(t, sessions)
	listen(t, filepath.Join(path, "db.sock"))
	give(t, filepath.Join(path, "db.sock"))
	other := filepath.Join(temporary, "tunneld-54321")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	listen(t, filepath.Join(other, "web.sock"))
	give(t, other, filepath.Join(other, "web.sock"))
	if got := strings.Join(found(sessions, temporary), " "); got != "/54321/tunneld/db.sock /tunneld-54321/web.sock" {
		t.Errorf("found %s", got)
	}
	if list := UserSockets(sessions, temporary, []Directory{{Path: path}, {Path: other}}); len(list) > 0 {
		t.Errorf("looked twice: %v", list)
	}
}

// Root is not led to what is not the user's: not by a link in any place of the way, and not by a socket of somebody else.
func TestRootIsNotLedAstray(t *testing.T) {
	for name, trap := range map[string]func(t *testing.T, path, target string) error{
		"a link to a directory": func(t *testing.T, path, target string) error {
			return errors.Join(os.Remove(path), os.Symlink(filepath.Dir(target), path), os.Lchown(path, stranger, stranger))
		},
		"a link to a socket": func(t *testing.T, path, target string) error {
			return os.Symlink(target, filepath.Join(path, "db.sock"))
		},
		"root's socket": func(t *testing.T, path, target string) error {
			return os.Rename(target, filepath.Join(path, "db.sock"))
		},
		"a pipe":               func(t *testing.T, path, _ string) error { return syscall.Mkfifo(filepath.Join(path, "db.sock"), 0o600) },
		"somebody's directory": func(t *testing.T, path, target string) error { return os.Chown(filepath.Dir(path), 999, 999) },
		"its directory": func(t *testing.T, path, target string) error {
			return errors.Join(os.Rename(target, filepath.Join(path, "db.sock")), os.Chown(path, 999, 999))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sessions, target := t.TempDir(), filepath.Join(t.TempDir(), "db.sock")
			path := home(t, sessions)
			l := listen(t, target)
			if err := trap(t, path, target); err != nil {
				t.Fatal(err)
			}
			reached := make(chan bool, 1)
			go func() {
				conn, err := l.Accept()
				if err == nil {
					conn.Close()
				}
				reached <- err == nil
			}()
			for _, s := range UserSockets(sessions, t.TempDir(), nil) {
				if conn, err := s.Dial(t.Context()); err == nil {
					conn.Close()
					t.Errorf("connected to %s", s.Path)
				}
			}
			l.Close()
			if <-reached {
				t.Error("a socket of root's was reached")
			}
		})
	}
}

// A socket file that is the user's by now, behind which somebody else listens, gets nothing to read.
func TestOnlyTheUserListens(t *testing.T) {
	sessions := t.TempDir()
	path := filepath.Join(home(t, sessions), "db.sock")
	listen(t, path)
	give(t, path)
	list := UserSockets(sessions, t.TempDir(), nil)
	if len(list) != 1 {
		t.Fatalf("found %v", list)
	}
	if conn, err := list[0].Dial(t.Context()); !errors.Is(err, os.ErrPermission) {
		if conn != nil {
			conn.Close()
		}
		t.Errorf("%v, want a refusal", err)
	}
}

func TestFewSocketsOfAUserAreAsked(t *testing.T) {
	sessions := t.TempDir()
	path := home(t, sessions)
	for n := range 3 * mostUserSockets {
		listen(t, filepath.Join(path, strconv.Itoa(n)+".sock"))
	}
	if list := UserSockets(sessions, t.TempDir(), nil); len(list) != mostUserSockets {
		t.Errorf("%d are looked at, want %d", len(list), mostUserSockets)
	}
}
