package rundir

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// peerOf returns the process that listens on the Unix socket that conn is connected to, and its user, as they were when it began
// to (unix(7), SO_PEERCRED).
func peerOf(conn net.Conn) (pid, uid int, ok bool) {
	socket, isSocket := conn.(syscall.Conn)
	if !isSocket {
		return 0, 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid, uid, ok = int(peer.Pid), int(peer.Uid), true
		}
	})
	return pid, uid, ok
}
