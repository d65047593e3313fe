package tunnel

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/config"
)

// staleDialTime bounds the question whether somebody answers behind an existing socket file.
const staleDialTime = time.Second

// bindUnix listens on a Unix socket. With StreamLocalBindUnlink an existing socket file is removed first, unless a
// living program answers behind it; without, it is an error, as in ssh.
func bindUnix(o *config.Options, path string, inherited *Inherited) (net.Listener, error) {
	if l := inherited.take("unix", path); l != nil {
		return l, nil
	}
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
	if conn, err := net.DialTimeout("unix", path, staleDialTime); err == nil {
		conn.Close()
		return syscall.EADDRINUSE
	}
	return os.Remove(path)
}

// listenMasked creates the socket with the permission bits that mask leaves (StreamLocalBindMask). The process umask is
// not touched, since other goroutines create files meanwhile: the socket is made in a private directory, gets its mode,
// and is then linked into place, which fails if something is there.
func listenMasked(path string, mask os.FileMode) (net.Listener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".tunneld-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	draft := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: draft, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(draft, 0o777&^mask), os.Link(draft, path)); err != nil {
		l.Close()
		if errors.Is(err, os.ErrExist) {
			return nil, syscall.EADDRINUSE
		}
		return nil, err
	}
	return &socketFile{UnixListener: l, path: path}, nil
}

// socketFile is a Unix listener that removes its file when it is closed.
type socketFile struct {
	*net.UnixListener
	path string
}

// Addr gives the path at which clients find the socket.
func (l *socketFile) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close stops listening and removes the file.
func (l *socketFile) Close() error {
	return errors.Join(l.UnixListener.Close(), os.Remove(l.path))
}
