// Package gone notices that the program at the other end of a connection has left, while nothing is read from it.
package gone

import (
	"context"
	"net"
	"syscall"
	"time"
)

// patience is how long Watch does not look: most waits are over by then, and looking costs a goroutine and three times its
// waking.
const patience = 50 * time.Millisecond

// Watch calls left once if the peer of conn leaves before stop is called, or has left already. Nothing is read. stop must be
// called, and conn must not be read before it has returned.
func Watch(conn net.Conn, left func()) (stop func()) {
	if own, ok := conn.(interface{ Left() context.Context }); ok { // it knows by itself
		stop := context.AfterFunc(own.Left(), left)
		return func() { stop() }
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	ended := make(chan struct{})
	begin := time.AfterFunc(patience, func() {
		defer close(ended)
		if raw.Read(func(fd uintptr) bool { return peerGone(int(fd)) }) == nil {
			left()
		}
	})
	return func() {
		if begin.Stop() {
			return
		}
		conn.SetReadDeadline(time.Unix(1, 0)) // long ago
		<-ended
		conn.SetReadDeadline(time.Time{})
	}
}
