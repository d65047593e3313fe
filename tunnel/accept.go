package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// scarceWait is how long an accept loop pauses while descriptors are scarce, before it counts them again.
const scarceWait = 100 * time.Millisecond

// maxAcceptWait is the longest pause after an Accept that failed for want of descriptors or memory.
const maxAcceptWait = time.Second

// acceptLoop accepts until l is closed and hands each connection to serve, which must not block, so that no connection
// waits for another. It calls room before each, which blocks while no more are to be taken. The end of ctx ends its pauses.
// Running out of descriptors costs a pause, never the listener: clients wait in the kernel's queue meanwhile. A few descriptors
// are kept back, without which the connection to the server could not be made anew.
func acceptLoop(ctx context.Context, l net.Listener, log *slog.Logger, room func(context.Context), serve func(stream)) {
	wait := time.Duration(0)
	for {
		room(ctx)
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s, ok := conn.(stream)
			if !ok {
				conn.Close()
				continue
			}
			serve(resettable(s))
		case errors.Is(err, net.ErrClosed), ctx.Err() != nil:
			return
		default:
			if wait == 0 {
				log.Warn("no more connections can be accepted, trying again", "listen", l.Addr().String(), "err", err)
			}
			wait = min(max(2*wait, 5*time.Millisecond), maxAcceptWait)
			pause(ctx, wait)
		}
	}
}

// awaitRoom waits until the forward may have another connection, and some descriptors are left to spare.
func (f *localForward) awaitRoom(ctx context.Context) {
	over := func() {}
	f.share.Await(ctx, func() { over = f.limited.wait(f.log, errManyClients) })
	over()
	if !descriptorsScarce() {
		return
	}
	defer f.limited.wait(f.log, errManyFiles)()
	for descriptorsScarce() && ctx.Err() == nil {
		pause(ctx, scarceWait)
	}
}

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// spareDescriptors is how many descriptors the clients of local forwards leave to everything else: the connection to the
// server, known_hosts, keys, the agent, a ProxyCommand, the control socket. Where the limit is low they leave a quarter of it.
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

// descriptorPlaces returns how many descriptors the limit leaves to connections. Go has raised the soft limit to the hard one.
func descriptorPlaces() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	all := int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // an int64 on FreeBSD
	return max(1, all-min(spareDescriptors, all/4)-min(ownDescriptors, all/4))
}
