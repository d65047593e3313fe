// Package gone notices that the program at the other end of a connection has left, while nothing is read from it.
package gone

import (
	"net"
	"syscall"
	"time"
)

// Watch calls left once if the peer of conn leaves before stop is called. Nothing is read. stop must be called, and
// conn must not be read before it has returned.
func Watch(conn net.Conn, left func()) (stop func()) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if raw.Read(func(fd uintptr) bool { return peerGone(int(fd)) }) == nil {
			left()
		}
	}()
	return func() {
		conn.SetReadDeadline(time.Unix(1, 0)) // long ago
		<-ended
		conn.SetReadDeadline(time.Time{})
	}
}
