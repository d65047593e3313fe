package limit

import (
	"math"
	"sync"
	"time"

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

// Counting takes three system calls, and a connection is one descriptor: as long as there are far more, it is not done for each.
const (
	countEvery = 100 * time.Millisecond // at the least, while connections come
	countAfter = 256                    // connections, at the most; and a quarter of what was left
)

// counted is what is known of the descriptors that are left.
var counted struct {
	sync.Mutex
	more int // connections that need no new count
	at   time.Time
}

// DescriptorsScarce reports whether a connection would have to take one of the spare ones. It is asked once for each.
func DescriptorsScarce() bool {
	counted.Lock()
	defer counted.Unlock()
	now := time.Now()
	if counted.more > 0 && now.Sub(counted.at) < countEvery {
		counted.more--
		return false
	}
	left := descriptorsLeft()
	counted.more, counted.at = min(left/4, countAfter), now
	return left <= 0
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
