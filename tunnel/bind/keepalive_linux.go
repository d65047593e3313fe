package bind

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// The probes that net sends by default on every connection that it accepts, where the client may be gone for good.
const (
	keepaliveSeconds = 15
	keepaliveCount   = 9
)

// listenConfig has the listener ask for keepalive. What it accepts inherits that from it (tcp(7)); to set it anew for each
// connection, as net does by default, takes four system calls.
func listenConfig() *net.ListenConfig {
	return &net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		controlErr := raw.Control(func(fd uintptr) { err = keepAlive(int(fd)) })
		if controlErr != nil {
			return controlErr
		}
		return err
	}}
}

func keepAlive(fd int) error {
	for _, o := range [][3]int{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepaliveSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepaliveSeconds},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepaliveCount},
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return err
		}
	}
	return nil
}
