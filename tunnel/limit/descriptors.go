package limit

import (
	"sync"
	"time"
)

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
