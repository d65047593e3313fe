package tunnel

import (
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/foreign"
)

// ForwardState is what a forward's listener does.
type ForwardState string

// The states of a forward.
const (
	ForwardListening ForwardState = "listening"  // bound; connections are taken
	ForwardAsking    ForwardState = "requesting" // remote: no session, or the server has not answered yet
	ForwardStandby   ForwardState = "standby"    // remote: another connection has the port; ready to take over when it lets go
	ForwardFailed    ForwardState = "failed"     // the server refused, or a local address cannot be bound; asked again on a schedule
)

// ForwardStatus is a snapshot of one forward. Each counter is exact, but they are read one after the other.
type ForwardStatus struct {
	Kind   config.Kind  // L, R, D or DNS
	Spec   string       // as the argument of Kind.Option
	State  ForwardState //
	Bound  []string     // addresses that listen; for Remote as the server reads them; of a local one that failed those that do all the same
	Target string       // host:port or path; "SOCKS" where the client says it
	Carried
	HeldSince time.Time // when the oldest of those that are held came; zero: none is
	LastError string    // of the last connection or request that failed; empty: none yet
	FailedAt  time.Time // when that was
	Added     bool      // while the tunnel runs; it is not in the configuration
	Limit     string    // which bound makes connections wait, or be refused, now or a moment ago; empty: none
}

// Carried is what a forward carries and has carried, with the names that it has in JSON.
type Carried struct {
	Open     int64  `json:"open"`      // connections open now
	Total    int64  `json:"total"`     // connections since the tunnel began
	Held     int64  `json:"held"`      // local connections that wait for a session now
	Refused  int64  `json:"refused"`   // connections that ended before a byte was carried: target refused, hold time over, limit
	BytesIn  uint64 `json:"bytes_in"`  // from the server
	BytesOut uint64 `json:"bytes_out"` // to the server
}

// counter counts what a forward carries. The zero value is ready.
type counter struct {
	open, total, held, refused atomic.Int64
	in, out                    atomic.Uint64
	lastError                  atomic.Pointer[failure]
}

// failure is an error of a forward, and when it happened.
type failure struct {
	text string
	at   time.Time
}

func newFailure(err error) *failure {
	return &failure{foreign.Line(err.Error()).String(), time.Now()}
}

func (c *counter) failed(err error) {
	c.lastError.Store(newFailure(err))
	c.refused.Add(1)
}

func (c *counter) fill(s *ForwardStatus) {
	s.Open, s.Total, s.Held, s.Refused = c.open.Load(), c.total.Load(), c.held.Load(), c.refused.Load()
	s.BytesIn, s.BytesOut = c.in.Load(), c.out.Load()
	if e := c.lastError.Load(); e != nil {
		s.LastError, s.FailedAt = e.text, e.at
	}
}
