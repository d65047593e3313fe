package sshconn

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// unsent is how many bytes the kernel takes beyond what it may send. Without a limit it takes up to 4 MiB
// (net.ipv4.tcp_wmem), and a keepalive or a keystroke waits behind all of them: at 30 Mbit/s a keepalive took 1.4 s
// beside four uploads, with the limit 0.6 s.
const unsent = 128 << 10

func setUnsent(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
}

// setUserTimeout has the kernel give the connection up when sent bytes stay unacknowledged for as long as keepalives
// would take to notice (tcp(7), TCP_USER_TIMEOUT).
func setUserTimeout(fd int, o *config.Options) error {
	limit := o.ServerAliveInterval * time.Duration(max(o.ServerAliveCountMax, 1))
	if limit <= 0 {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(min(limit.Milliseconds(), 1<<31-1)))
}
