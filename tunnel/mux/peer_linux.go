package mux

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// isOurs reports whether the program behind conn is the user's, or root's.
func isOurs(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && peer != nil && (int(peer.Uid) == os.Geteuid() || peer.Uid == 0)
}
