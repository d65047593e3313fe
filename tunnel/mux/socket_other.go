//go:build unix && !linux

package mux

import (
	"net"
	"os"
)

// listenPrivately makes a socket that only we may connect to. It has the name of a draft until its mode is right.
func listenPrivately(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		os.Remove(path)
		return nil, err
	}
	return l, nil
}
