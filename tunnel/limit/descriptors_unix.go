//go:build unix

package limit

import (
	"math"

	"golang.org/x/sys/unix"
)

const (
	// spareDescriptors is how many descriptors connections leave to everything else: the connection to the server, known_hosts,
	// keys, the agent, a ProxyCommand, the control socket. Where the limit is low they leave a quarter of it.
	spareDescriptors = 64

	// ownDescriptors is how many descriptors a quiet process has by itself: the runtime's, the log, the control socket, a
	// connection to a server.
	ownDescriptors = 16
)

// Descriptors returns how many descriptors the limit leaves to connections. Go has raised the soft limit to the hard one.
func Descriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	all := int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // an int64 on FreeBSD
	return max(1, all-min(spareDescriptors, all/4)-min(ownDescriptors, all/4))
}

// descriptorsLeft returns how many may be taken until only the spare ones are left. The lowest free number says how many are
// in use.
func descriptorsLeft() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	most := int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // an int64 on FreeBSD
	lowest, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		if err == unix.EMFILE {
			return 0
		}
		return most
	}
	unix.Close(lowest)
	return max(0, most-min(spareDescriptors, most/4)-lowest)
}
