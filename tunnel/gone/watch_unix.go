//go:build unix

package gone

import (
	"net"
	"syscall"
	"time"
)

// patience is how long nobody looks: most waits are over by then, and looking costs a goroutine and three times its
// waking.
const patience = 50 * time.Millisecond

// watch is Watch for a socket; of what is none nothing can be told.
func watch(conn net.Conn, left func()) (stop func()) {
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
