package monitor

import (
	"context"
	"time"

	"github.com/tunneld/tunneld/tunnel"
)

// Tunnel is what carries the bytes: *tunnel.Tunnel through Of, or a fake in tests. All methods may be called from several
// goroutines at once, and none is called with a lock held.
type Tunnel interface {
	// Connect makes one attempt at a session, which serves nothing yet. ctx ends the attempt, not the session. The error
	// carries its phase and whether it is permanent (tunnel.Error). The attempt has its own deadline.
	Connect(ctx context.Context) (Session, error)

	// Annex is Connect for a session that is never joined: it serves shells and commands alone (RFC 4254 §6).
	Annex(ctx context.Context) (Session, error)

	// Join returns the session to new channels and held connections, and lets it claim remote forwards.
	Join(Session)

	// Leave takes out a session that is dead. It does not block and does not close it.
	Leave(Session)

	// Retire takes out a session that is alive: another serves new channels and remote forwards, its open connections go on
	// until they end or ctx is done, then it is closed. It blocks that long. The error is ctx's, where connections were cut.
	Retire(context.Context, Session) error

	// Shutdown stops accepting, lets open connections go on until ctx is done, and closes every session and listener.
	// The error is ctx's, where connections were cut.
	Shutdown(context.Context) error

	// Forwards returns a snapshot of each forward.
	Forwards() []tunnel.ForwardStatus

	// Riders returns what programs carry that ride on the tunnel.
	Riders() tunnel.Carried

	// Wanted receives a value when a local connection has come and no session lives, or a remote forward: a channel of one. Read
	// only for TunneldLazy.
	Wanted() <-chan struct{}
}

// Session is one SSH connection of a Tunnel.
type Session interface {
	Done() <-chan struct{} // closed when the connection has ended
	Err() error            // why it ended; nil before Done
	Close() error          // ends it at once and unblocks every call into it
	CloseWith(err error)   // the same, with what Err will give

	// Ask sends keepalive@openssh.com, and has answered called with the time to its answer: any answer is a good one. An error means
	// that the connection is lost. It does not block, and nor does answered, which is called once at most, perhaps after Close.
	Ask(answered func(rtt time.Duration, err error))

	// Echo sends a nonce through the data path and returns the time until it is back. errors.ErrUnsupported means that this
	// server offers no way to do so. It may block until Close.
	Echo(ctx context.Context) (time.Duration, error)

	// Doubt says whether the session is suspect, so that new channels go to another where there is one.
	Doubt(is bool)

	// Homeless reports that no interface of this machine has the address any more that the connection was made from. It may
	// come back, but until then nothing gets through.
	Homeless() bool
	// StaleKeys says in words why the session is to be replaced by one with new keys; empty: it need not be.
	StaleKeys() string

	LastRead() time.Time      // when the last byte came from the server
	Counts() (in, out uint64) // bytes on the wire, from and to the server
	Carried() uint64          // bytes of connections, both ways
	Open() int                // channels open now
	Commands() int            // shells and commands among them, which are in use while they are quiet
	Server() Server           // who is at the other end
	Expires() time.Time       // when the user certificate ends that it was made with; zero: never
}
