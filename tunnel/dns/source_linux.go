package dns

import (
	"encoding/binary"
	"net"

	"golang.org/x/sys/unix"
)

// controlSize has room for what tellDestination asks for.
const controlSize = 128

// tellDestination has the kernel say of each datagram which of our addresses it was sent to.
func tellDestination(conn *net.UDPConn, six bool) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	controlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
	if controlErr != nil {
		return controlErr
	}
	return err
}

// sameSource returns what has an answer come from the address to which the datagram with this went.
func sameSource(control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte(m.Data[4:8])})
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: [16]byte(m.Data[:16]), Ifindex: binary.NativeEndian.Uint32(m.Data[16:20])})
		}
	}
	return nil
}
