package sshconn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickAcker returns a function that has the kernel acknowledge at once what was read. sshd leaves Nagle's algorithm on for
// connections without a terminal, so of two small messages in a row (a channel is open; its first bytes) the second
// waits for the acknowledgement of the first, which Linux delays by 40 ms. The setting wears off (tcp(7)), hence a
// function to be called again and again.
func quickAcker(conn net.Conn) func() {
	sc, ok := conn.(*net.TCPConn)
	if !ok {
		return func() {}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() {}
	}
	set := func(fd uintptr) { unix.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
	return func() { raw.Control(set) }
}
