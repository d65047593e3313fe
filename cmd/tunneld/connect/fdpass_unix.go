//go:build unix

package connect

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Pass hands conn to whoever holds the other end of out, as ssh awaits it with ProxyUseFdpass (mm_receive_fd in OpenSSH's
// monitor_fdpass.c): one byte, and the descriptor beside it. conn is of no use here afterwards.
func Pass(conn *net.UnixConn, out *os.File) error {
	from, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	to, err := out.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = from.Control(func(fd uintptr) {
		unix.SetNonblock(int(fd), false) // as a socket is that a program has just made
		err := to.Control(func(out uintptr) { failed = send(int(out), int(fd)) })
		failed = errors.Join(failed, err)
	})
	if errors.Is(failed, unix.ENOTSOCK) {
		return ErrNoSocket
	}
	return errors.Join(err, failed)
}

// send waits for room where there is none, and out does not wait by itself.
func send(out, fd int) error {
	for {
		err := unix.Sendmsg(out, []byte{0}, unix.UnixRights(fd), nil, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			unix.Poll([]unix.PollFd{{Fd: int32(out), Events: unix.POLLOUT}}, -1)
		case !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("sendmsg", err)
		}
	}
}
