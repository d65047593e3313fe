package sshconn

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

func TestSocketOptions(t *testing.T) {
	for _, c := range []struct {
		name, listen string
		options      config.Options
		tosLevel     int
		tosName      int
		want         [5]int // TOS, TCP_USER_TIMEOUT in ms, SO_KEEPALIVE, TCP_NODELAY, TCP_NOTSENT_LOWAT
	}{
		{"IPv4", "127.0.0.1:0", config.Options{IPQoS: 0x48, TCPKeepAlive: true, ServerAliveInterval: 15 * time.Second, ServerAliveCountMax: 3},
			unix.IPPROTO_IP, unix.IP_TOS, [5]int{0x48, 45000, 1, 1, unsent}},
		{"IPv6", "[::1]:0", config.Options{IPQoS: 0x48, ServerAliveInterval: time.Second, ServerAliveCountMax: 0},
			unix.IPPROTO_IPV6, unix.IPV6_TCLASS, [5]int{0x48, 1000, 0, 1, unsent}},
		{"nothing asked", "127.0.0.1:0", config.Options{IPQoS: -1, ServerAliveCountMax: 3},
			unix.IPPROTO_IP, unix.IP_TOS, [5]int{0, 0, 0, 1, unsent}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", c.listen)
			if err != nil {
				t.Skipf("no %s here: %v", c.name, err)
			}
			defer l.Close()
			conn, err := connectTCP(t.Context(), &c.options, netip.MustParseAddrPort(l.Addr().String()), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			raw, _ := conn.(*net.TCPConn).SyscallConn()
			var got [5]int
			raw.Control(func(fd uintptr) {
				for i, o := range [][2]int{{c.tosLevel, c.tosName}, {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
					{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_NODELAY},
					{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT}} {
					got[i], _ = unix.GetsockoptInt(int(fd), o[0], o[1])
				}
			})
			if got != c.want {
				t.Errorf("TOS, TCP_USER_TIMEOUT, SO_KEEPALIVE, TCP_NODELAY, TCP_NOTSENT_LOWAT are %v, want %v", got, c.want)
			}
		})
	}
}
