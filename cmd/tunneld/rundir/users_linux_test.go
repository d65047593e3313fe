package rundir

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	list := UserSockets(sessions, t.TempDir(), nil)
	if len(list) != mostUserSockets {
		t.Errorf("%d are looked at, want %d", len(list), mostUserSockets)
	}
	if !slices.ContainsFunc(list, func(s UserSocket) bool { return s.More }) {
		t.Error("it does not say that there are more")
	}
}

// mount puts a file system over a directory, until the test ends.
func mount(t *testing.T, path, kind, options string) {
	t.Helper()
	if err := unix.Mount("test", path, kind, unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		t.Skipf("nothing can be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

// The directory that systemd mounts for a user is entered, and no other mount.
func TestMountsOfUsers(t *testing.T) {
	sessions, temporary := t.TempDir(), t.TempDir()
	path, other := home(t, sessions), filepath.Join(temporary, "tunneld-54321")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, filepath.Dir(path), "tmpfs", "mode=0700,uid=54321,gid=54321")
	mount(t, other, "tmpfs", "mode=0700,uid=54321,gid=54321")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	give(t, path)
	for _, socket := range []string{filepath.Join(path, "db.sock"), filepath.Join(other, "web.sock")} {
		listen(t, socket)
		give(t, socket)
	}
	if got := strings.Join(found(sessions, temporary), " "); got != "/54321/tunneld/db.sock" {
		t.Errorf("found %q", got)
	}
	mount(t, path, "tmpfs", "mode=0700,uid=54321,gid=54321")
	listen(t, filepath.Join(path, "db.sock"))
	give(t, filepath.Join(path, "db.sock"))
	if got := found(sessions, temporary); len(got) > 0 {
		t.Errorf("found %q in what is mounted below", got)
	}
}

// A user can mount a FUSE that never answers where root looks: on their directory in /tmp, over that of systemd, or below it.
func TestRootDoesNotWaitForTheFUSEOfAUser(t *testing.T) {
	for name, place := range map[string]func(sessions, temporary string) string{
		"in /tmp":     func(_, temporary string) string { return filepath.Join(temporary, "tunneld-54321") },
		"of the user": func(sessions, _ string) string { return filepath.Join(sessions, "54321") },
		"below that":  func(sessions, _ string) string { return filepath.Join(sessions, "54321", "tunneld") },
	} {
		t.Run(name, func(t *testing.T) {
			sessions, temporary := t.TempDir(), t.TempDir()
			home(t, sessions)
			path := place(sessions, temporary)
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			give(t, path)
			server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
			if err != nil {
				t.Skipf("no FUSE here: %v", err)
			}
			t.Cleanup(func() { server.Close() }) // whoever still waits gets an error then
			mount(t, path, "fuse", fmt.Sprintf("fd=%d,rootmode=40000,user_id=54321,group_id=54321,allow_other", server.Fd()))
			looked := make(chan []UserSocket, 1)
			go func() { looked <- UserSockets(sessions, temporary, nil) }()
			select {
			case list := <-looked:
				if len(list) > 0 {
					t.Errorf("found %v", list)
				}
			case <-time.After(20 * time.Second):
				t.Error("root waits for an answer")
				server.Close()
				<-looked
			}
		})
	}
}
