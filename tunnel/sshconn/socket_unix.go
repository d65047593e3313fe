//go:build unix

package sshconn

import (
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// tune sets what the options ask of the socket. Nothing here is worth an outage: what the kernel refuses is logged.
// TCP_NODELAY is Go's default.
//
// IPQoS: the first, interactive value holds for the whole connection, as with `ssh -N`, which carries forwards alone and
// so nothing that OpenSSH would call bulk (ssh.c, ssh_session2; seen with ss --tos against OpenSSH 9.2 and 10.6).
func tune(conn *net.TCPConn, o *config.Options, log *slog.Logger) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		if o.IPQoS >= 0 {
			if err := setTOS(int(fd), isIPv4(conn), o.IPQoS); err != nil {
				log.Debug("IPQoS is not honoured", "err", err)
			}
		}
		if err := setUserTimeout(int(fd), o); err != nil {
			log.Debug("TCP_USER_TIMEOUT is not honoured", "err", err)
		}
		if err := setUnsent(int(fd)); err != nil {
			log.Debug("TCP_NOTSENT_LOWAT is not honoured", "err", err)
		}
	})
}

func setTOS(fd int, v4 bool, tos int) error {
	if v4 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, tos)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, tos)
}

func isIPv4(conn *net.TCPConn) bool {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && a.Addr().Unmap().Is4()
}
