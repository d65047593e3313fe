package mux

import (
	"context"
	"net"
	"syscall"
)

// listenPrivately makes a socket that only we may connect to: Linux takes the mode of the socket for the file, so there is
// no moment in which others may, and the umask of the process is not touched.
func listenPrivately(path string) (*net.UnixListener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var chmod error
		err := raw.Control(func(fd uintptr) { chmod = syscall.Fchmod(int(fd), 0o600) })
		if err == nil {
			err = chmod
		}
		return err
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	listener := l.(*net.UnixListener)
	listener.SetUnlinkOnClose(false)
	return listener, nil
}
