package sshconn

import (
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/tunnel/brief"
)

// acknowledge has the kernel acknowledge at once what was read, where nothing that we send does so as well. sshd leaves Nagle's
// algorithm on for connections without a terminal, so of two small messages in a row (a channel is open; its first bytes) the
// second waits for the acknowledgement of the first, which Linux delays by 40 ms. The setting wears off (tcp(7)), hence it is
// made again and again. Whoever was woken by what was read has its turn before: most answer, and an acknowledgement is a packet
// like any other, with a system call of its own.
func (w *wire) acknowledge(fd uintptr) {
	if !w.owed {
		return
	}
	w.owed = false
	runtime.Gosched()
	if w.queued.Load() == w.asOf {
		brief.SetOption(int(fd), syscall.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	}
}

// acknowledges reports whether acknowledge does anything for conn.
func acknowledges(conn net.Conn) bool {
	_, ok := conn.(*net.TCPConn)
	return ok
}
