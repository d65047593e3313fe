package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/tunneld/tunneld/tunnel/limit"
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
			serve(quick(s))
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

// hasRoom reports whether awaitRoom would not wait.
func (f *localForward) hasRoom() bool { return f.share.HasRoom() && !limit.DescriptorsScarce() }

// awaitRoom waits until the forward may have another connection, and some descriptors are left to spare.
func (f *localForward) awaitRoom(ctx context.Context) {
	over := func() {}
	f.share.Await(ctx, func() { over = f.limited.wait(f.log, errManyClients) })
	over()
	if !limit.DescriptorsScarce() {
		return
	}
	defer f.limited.wait(f.log, errManyFiles)()
	for limit.DescriptorsScarce() && ctx.Err() == nil {
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
