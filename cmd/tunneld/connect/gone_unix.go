//go:build unix

package connect

import "net"

// awaitGone waits until the peer has closed conn, and not just its own direction.
func awaitGone(conn *net.UnixConn, _ <-chan struct{}) {
	raw, err := conn.SyscallConn()
	if err == nil {
		raw.Read(hungUp) // or conn is closed
	}
}
