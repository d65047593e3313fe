package mux

import (
	"net"
	"os"
)

// isOurs reports whether the program behind conn is the user's, or root's.
func isOurs(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	uid, failed := -1, error(nil)
	err = raw.Control(func(fd uintptr) { uid, failed = peerOf(int(fd)) })
	return err == nil && failed == nil && (uid == os.Geteuid() || uid == 0)
}
