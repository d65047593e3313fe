package tunnel

import (
	"net"
	"syscall"
	"time"
)

// watchGone calls gone once if the peer of conn leaves before stop is called. Nothing is read. stop must be called, and
// conn must not be read before it has returned.
func watchGone(conn net.Conn, gone func()) (stop func()) {
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
			gone()
		}
	}()
	return func() {
		conn.SetReadDeadline(time.Unix(1, 0)) // long ago
		<-ended
		conn.SetReadDeadline(time.Time{})
	}
}
