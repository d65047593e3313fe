//go:build unix

package tunnel

import (
	"math"

	"golang.org/x/sys/unix"
)

// spareDescriptors is how many descriptors the clients of local forwards leave to all else: the connection to the server,
// known_hosts, keys, the agent, a ProxyCommand, the control socket. Of a low limit they leave a quarter.
const spareDescriptors = 64

// descriptorsScarce reports whether only the spare ones are left. The lowest free number says how many are in use.
func descriptorsScarce() bool {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return false
	}
	lowest, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err == unix.EMFILE
	}
	unix.Close(lowest)
	most := uint64(limit.Cur) //nolint:unconvert // an int64 on FreeBSD
	return uint64(lowest) >= most-min(spareDescriptors, most/4)
}

// ownDescriptors is how many descriptors a quiet process has by itself: the runtime's, the log, the control socket, a
// connection to a server.
const ownDescriptors = 16

// descriptorPlaces is how many descriptors the limit leaves to connections. Go has raised the soft limit to the hard one.
func descriptorPlaces() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	all := int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // an int64 on FreeBSD
	return max(1, all-min(spareDescriptors, all/4)-min(ownDescriptors, all/4))
}
