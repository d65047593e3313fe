package bind

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/filemode"
)

// staleDialTime bounds the question whether somebody answers behind an existing socket file.
const staleDialTime = time.Second

// bindUnix listens on a Unix socket. With StreamLocalBindUnlink an existing socket file is removed first, unless a
// living program answers behind it; without, it is an error, as in ssh.
func bindUnix(o *config.Options, path string) (net.Listener, error) {
	if o.StreamLocalBindUnlink {
		if err := unlinkStale(path); err != nil {
			return nil, err
		}
	}
	return listenMasked(path, os.FileMode(o.StreamLocalBindMask))
}

// unlinkStale removes the socket file at path if nobody listens behind it.
func unlinkStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return syscall.EEXIST
	}
	if !leftover(path) {
		return errno.InUse
	}
	return os.Remove(path)
}

// leftover reports whether nobody listens behind the socket file at path. Somebody is there, too, when the queue is full, or
// when we may not ask.
func leftover(path string) bool {
	conn, err := net.DialTimeout("unix", path, staleDialTime)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, errno.Refused)
}

// listenMasked creates the socket with the permission bits that mask leaves (StreamLocalBindMask). The process umask is
// not touched, since other goroutines create files meanwhile: the socket is made in a private directory, gets its mode,
// and is then linked into place, which fails if something is there. Where that is not possible (the longer path does not
// fit into an address, the file system has no links), the socket is made in place and gets its mode a moment later.
func listenMasked(path string, mask os.FileMode) (net.Listener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".tunneld-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	draft := filepath.Join(dir, "s")
	l, err := listenUnix(draft, mask)
	if err == nil {
		err = os.Link(draft, path)
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrExist):
		l.Close()
		return nil, errno.InUse
	default:
		if l != nil {
			l.Close()
		}
		if l, err = listenUnix(path, mask); err != nil {
			return nil, err
		}
	}
	return newSocketFile(l, path)
}

// listenUnix makes a socket at path, which is not removed when the listener is closed.
func listenUnix(path string, mask os.FileMode) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := filemode.Socket(path, 0o777&^mask); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// socketFile is a Unix listener that removes its file when it is closed, unless somebody else has put another there.
type socketFile struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

func newSocketFile(l *net.UnixListener, path string) (*socketFile, error) {
	file, err := os.Lstat(path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &socketFile{l, path, file}, nil
}

// Addr returns the path at which clients find the socket.
func (l *socketFile) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the file.
func (l *socketFile) Close() error {
	err := l.UnixListener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.file) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}
