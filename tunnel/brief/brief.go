// Package brief makes system calls that are over at once: reads and writes of sockets, which never wait there.
//
// Go's scheduler is told of a system call, so that other goroutines can go on while it lasts: a process that was at rest wakes
// a thread for that (sysmon), and a call that this thread sees twice has to hand over to yet another, which happens to one that
// takes 20 µs. A small packet is read and written in less, a large piece of a transfer in some 50 µs, and everything that it wakes
// meanwhile is in its own way: the hand-overs took longer than the small calls, and were a fifth of the CPU time of a download.
package brief

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

const (
	Few  = 16 << 10  // bytes that do not make a transfer: a read asks for no more until that many have come
	Most = 256 << 10 // bytes that are read or written without the scheduler's knowledge
)

// Conn is a TCP connection whose reads and writes are brief.
type Conn struct {
	*net.TCPConn
	raw syscall.RawConn
}

// Of returns conn as a Conn, which owns it. It is false where the system does not let us at the socket.
func Of(conn *net.TCPConn) (*Conn, bool) {
	raw, ok := Raw(conn)
	return &Conn{conn, raw}, ok
}

// Raw returns the way to conn's socket for Read and WriteAll. It is false where there is none, and on Windows, where a call on a socket
// that has nothing to give has to wait for it.
func Raw(conn net.Conn) (syscall.RawConn, bool) {
	socket, ok := conn.(syscall.Conn)
	if !ok || !possible {
		return nil, false
	}
	raw, err := socket.SyscallConn()
	return raw, err == nil
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (n int, err error) {
	if len(p) == 0 || len(p) > Most {
		return c.TCPConn.Read(p)
	}
	ended := c.raw.Read(func(fd uintptr) bool {
		n, err = Read(int(fd), p)
		return err != syscall.EAGAIN
	})
	switch {
	case ended != nil:
		return 0, Failed("read", c, ended)
	case err != nil:
		return 0, Failed("read", c, os.NewSyscallError("read", err))
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > Most {
		return c.TCPConn.Write(p)
	}
	n, err := WriteAll(c.raw, p)
	if err != nil {
		err = Failed("write", c, err)
	}
	return n, err
}

// WriteAll writes all of p, which is at most Most bytes long. It waits where the socket takes no more.
func WriteAll(raw syscall.RawConn, p []byte) (written int, err error) {
	ended := raw.Write(func(fd uintptr) bool {
		for written < len(p) {
			var n int
			if n, err = Write(int(fd), p[written:]); err != nil {
				return err != syscall.EAGAIN
			}
			written += n
		}
		return true
	})
	if ended != nil {
		return written, ended
	}
	return written, os.NewSyscallError("write", err)
}

// Failed returns what a call on conn, which is one of TCP, has met, as net tells it.
func Failed(op string, conn net.Conn, err error) error {
	var known *net.OpError
	if errors.As(err, &known) {
		err = known.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: conn.LocalAddr(), Addr: conn.RemoteAddr(), Err: err}
}
