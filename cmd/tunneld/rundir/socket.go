package rundir

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/config/errno"
	"github.com/tunneld/tunneld/config/filelock"
	"github.com/tunneld/tunneld/config/filemode"
)

func checksum(text string) uint32 { return crc32.ChecksumIEEE([]byte(text)) }

// AskTime is how long a process may take to say how it is. One that takes longer hangs.
const AskTime = 2 * time.Second

// socketPathMax is the longest path that fits into a sockaddr_un everywhere (unix(7); 104 bytes on the BSDs).
const socketPathMax = 103

// withSocketPath calls use with a path of the socket that fits. On Linux a longer one is reached through the descriptor of
// its directory.
func withSocketPath(path string, use func(path string) error) error {
	if len(path) <= socketPathMax || runtime.GOOS != "linux" {
		return use(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// ListenSocket makes a Unix socket that only we may connect to. The caller removes it.
func ListenSocket(ctx context.Context, path string) (*net.UnixListener, error) {
	var listener *net.UnixListener
	err := withSocketPath(path, func(path string) error {
		// Linux takes the mode of the socket for the file, so there is no moment in which others may connect.
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			return raw.Control(keepToUs)
		}}
		l, err := config.Listen(ctx, "unix", path)
		if err != nil {
			return err
		}
		listener = l.(*net.UnixListener)
		listener.SetUnlinkOnClose(false)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != 0o600 {
		if err := filemode.Socket(path, 0o600); err != nil {
			listener.Close()
			return nil, err
		}
	}
	return listener, nil
}

// DialSocket connects to a Unix socket.
func DialSocket(ctx context.Context, path string) (conn net.Conn, err error) {
	err = withSocketPath(path, func(path string) error {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// InUse returns the number of the process that listens on the socket, -1 where that cannot be known; 0: nobody does. It may be
// frozen.
func InUse(ctx context.Context, path string) (pid int, err error) {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	conn, err := DialSocket(ctx, path)
	switch {
	case err == nil:
		defer conn.Close()
		if pid, _, ok := peerOf(conn); ok && pid > 0 {
			return pid, nil
		}
		return -1, nil
	case errors.Is(err, errno.Refused), errors.Is(err, os.ErrNotExist):
		return 0, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, context.DeadlineExceeded): // its queue is full: it does not accept
		return -1, nil
	}
	return 0, err
}

// lockTime is how long another process may take to start or to find out that it cannot.
const lockTime = 10 * time.Second

// LockFile takes the lock of an open file or directory, which ends with it, waiting for others up to lockTime.
func LockFile(ctx context.Context, file *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	err := filelock.Wait(ctx, file)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s is locked by another process", file.Name())
	}
	return err
}
