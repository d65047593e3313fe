package tunnel

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/config"
)

// setUserTimeout has the kernel give the connection up when sent bytes stay unacknowledged for as long as keepalives
// would take to notice (tcp(7), TCP_USER_TIMEOUT).
func setUserTimeout(fd int, o *config.Options) error {
	limit := o.ServerAliveInterval * time.Duration(max(o.ServerAliveCountMax, 1))
	if limit <= 0 {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(min(limit.Milliseconds(), 1<<31-1)))
}
