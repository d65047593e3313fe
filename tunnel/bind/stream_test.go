package bind

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

func bindAt(t *testing.T, path string, o config.Options) (net.Listener, error) {
	t.Helper()
	f := config.Forward{Kind: config.Local, Listen: config.Endpoint{Path: path}}
	l, err := At(t.Context(), &o, Address{"unix", path, 0})
	if err != nil {
		return nil, Error(f, "-L "+path, path, err)
	}
	t.Cleanup(func() { l.Close() })
	return l, nil
}

// stale leaves a socket file behind which nobody listens.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestUnixListeners(t *testing.T) {
	unlink := config.Options{StreamLocalBindUnlink: true}
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		options config.Options
		want    error // nil: bound
		hint    string
	}{
		{"nothing there", func(*testing.T, string) {}, config.Options{}, nil, ""},
		{"stale, unlink", stale, unlink, nil, ""},
		{"stale, no unlink", stale, config.Options{}, syscall.EADDRINUSE, "leftover"},
		{"live, unlink", func(t *testing.T, path string) { bindAt(t, path, config.Options{}) }, unlink, syscall.EADDRINUSE, "another program"},
		{"datagram socket, unlink", func(t *testing.T, path string) {
			l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, unlink, syscall.EADDRINUSE, "another program"},
		{"a file, unlink", func(t *testing.T, path string) { os.WriteFile(path, []byte("precious"), 0o600) }, unlink, syscall.EEXIST, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "socket")
			c.prepare(t, path)
			_, err := bindAt(t, path, c.options)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, c.hint) {
				t.Errorf("hint %q, want %q in it", hint, c.hint)
			}
			if conn, dialErr := net.Dial("unix", path); err == nil && dialErr != nil {
				t.Error(dialErr)
			} else if dialErr == nil {
				conn.Close()
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".tunneld-*")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestUnixSocketModes(t *testing.T) {
	for mask, want := range map[uint32]os.FileMode{0o177: 0o600, 0o117: 0o660, 0: 0o777} {
		path := filepath.Join(t.TempDir(), "socket")
		if _, err := bindAt(t, path, config.Options{StreamLocalBindMask: mask}); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mask %o gave %v, %v; want %v", mask, info.Mode(), err, want)
		}
	}
}

// The draft's path is longer than the socket's own, which may use up what fits into an address.
func TestUnixSocketWithALongPath(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "t")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, strings.Repeat("x", 106-len(dir)))
	if _, err := bindAt(t, path, config.Options{StreamLocalBindMask: 0o177}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A file that another program has put in place of ours stays.
func TestUnixSocketOfAnotherIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := bindAt(t, path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.Close()
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
}

// A socket that cannot be made is a matter of its directory, and of no port.
func TestHintsForSocketsThatCannotBeMade(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EACCES:  "may not write to the directory /there",
		syscall.EPERM:   "may not write to the directory /there",
		syscall.ENOENT:  "no directory /there",
		syscall.ENOTDIR: "no directory /there",
		syscall.EROFS:   "read-only",
		syscall.EEXIST:  "no socket",
	} {
		failed := Error(config.Forward{Kind: config.Local, Listen: config.Endpoint{Path: "/there/s"}}, "-L /there/s", "/there/s", &os.PathError{Op: "mkdir", Path: "/there/.tunneld-1", Err: err})
		if !strings.Contains(failed.Hint, want) || strings.Contains(failed.Hint, "1024") || strings.Contains(failed.Error(), "mkdir") {
			t.Errorf("%v: %v; hint %q, want %q in it", err, failed, failed.Hint, want)
		}
	}
}
