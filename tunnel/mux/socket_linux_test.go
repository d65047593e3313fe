package mux

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// happened returns what an inotify descriptor has to tell of a directory, in order: + a file came, - it went.
func happened(t *testing.T, fd int) (list []string) {
	t.Helper()
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[:n]; len(b) > 0; {
		mask, size := binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size]), "\x00")
		switch {
		case mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
			list = append(list, "+"+name)
		case mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
			list = append(list, "-"+name)
		}
		b = b[unix.SizeofInotifyEvent+size:]
	}
	return list
}

// The socket is made under a name of its own, and linked to the path when it is ready.
func TestSocketIsMadeBeside(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVE); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(t.Context(), filepath.Join(dir, "cm"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list := happened(t, fd)
	if len(list) != 3 || !strings.HasPrefix(list[0], "+cm.") || list[1] != "+cm" || list[2] != "-"+list[0][1:] {
		t.Errorf("%q", list)
	}
}

// Whoever finds a socket at the path may connect to it, from its first moment to its last, and nobody else may.
func TestSocketIsReadyWhenItIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cm")
	done := make(chan struct{})
	found := make(chan error, 1)
	go func() {
		defer close(found)
		for {
			select {
			case <-done:
				return
			default:
			}
			if info, err := os.Lstat(path); err == nil && info.Mode() != os.ModeSocket|0o600 {
				found <- errors.New(info.Mode().String())
				return
			}
			if err := connect(path); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EAGAIN) { // not there, and busy
				found <- err
				return
			}
		}
	}()
	for range 200 {
		s, err := Listen(t.Context(), path, false)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	close(done)
	if err := <-found; err != nil {
		t.Errorf("somebody found a socket, and %v", err)
	}
}

// connect connects to a Unix socket, and leaves.
func connect(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}
