package connect

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Wanted reports whether in and out, of this process, are of an ssh that waits for a socket: one pair of Unix sockets for both,
// made by a program that is called ssh.
func Wanted(in, out *os.File) bool {
	return samePair(in, out) && strings.HasSuffix(makerOf(in), "ssh")
}

// samePair reports whether both are the same Unix stream.
func samePair(in, out *os.File) bool {
	here, err := in.Stat()
	there, otherErr := out.Stat()
	if err != nil || otherErr != nil || here.Mode()&os.ModeSocket == 0 || !os.SameFile(here, there) {
		return false
	}
	same := false
	control(in, func(fd int) {
		domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
		kind, kindErr := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		same = err == nil && kindErr == nil && domain == unix.AF_UNIX && kind == unix.SOCK_STREAM
	})
	return same
}

// makerOf returns the name of the program that made the pair of sockets to which file belongs; empty: it cannot be told.
func makerOf(file *os.File) (name string) {
	control(file, func(fd int) {
		maker, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", maker.Pid))
		if err == nil {
			name = strings.TrimSpace(string(text))
		}
	})
	return name
}

func control(file *os.File, do func(fd int)) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}

// hungUp reports whether the peer of a socket has closed both its directions, or the reader of a pipe has gone.
func hungUp(fd int) bool {
	state := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP is always told
	_, err := unix.Poll(state, 0)
	return err == nil && state[0].Revents != 0
}
