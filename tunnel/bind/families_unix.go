//go:build unix

package bind

import (
	"net"

	"golang.org/x/sys/unix"
)

// TakesBothFamilies reports whether l is an IPv6 socket that takes IPv4 as well, as systemd's ListenStream=PORT makes it.
func TakesBothFamilies(l net.Listener) bool {
	tcp, ok := l.(*net.TCPListener)
	if !ok || tcp.Addr().(*net.TCPAddr).IP.To4() != nil {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	both := false
	raw.Control(func(fd uintptr) {
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		both = err == nil && only == 0
	})
	return both
}
