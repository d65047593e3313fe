package tunnel

import "github.com/tunneld/tunneld/tunnel/limit"

// maxInbound bounds the connections that servers may have open through the remote forwards of a process. Each costs some
// 31 KiB, and the server alone says how many there are.
const maxInbound = 2560

// Limits bounds what the connections of all tunnels of a process may take of what they share, and divides it among their
// forwards. Its methods are safe for concurrent use.
type Limits struct {
	connections *limit.Shares // of clients and to the targets of remote forwards: a descriptor each
	inbound     *limit.Shares // those among them that servers opened
}

// NewLimits returns the limits of this process, which follow from how many open files it may have.
func NewLimits() *Limits {
	return &Limits{connections: limit.NewShares(limit.Descriptors()), inbound: limit.NewShares(maxInbound)}
}
