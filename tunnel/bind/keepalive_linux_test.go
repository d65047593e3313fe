package bind

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// Clients that vanish are noticed, and small answers are not kept back.
func TestAcceptedConnectionsInherit(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := At(t.Context(), new(config.Options), Address{"tcp", host, 0})
		if err != nil {
			t.Skip(err)
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		raw, err := conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got [5]int
		raw.Control(func(fd uintptr) {
			for i, o := range [][2]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE}, {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
				{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL}, {unix.IPPROTO_TCP, unix.TCP_KEEPCNT}, {unix.IPPROTO_TCP, unix.TCP_NODELAY}} {
				got[i], _ = unix.GetsockoptInt(int(fd), o[0], o[1])
			}
		})
		if want := [5]int{1, 15, 15, 9, 1}; got != want {
			t.Errorf("%s: SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_NODELAY are %v, want %v", host, got, want)
		}
	}
}
