package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// scarceWait is how long nobody is accepted while descriptors are scarce, before they are looked at again.
const scarceWait = 100 * time.Millisecond

// maxAcceptWait is the longest pause after an Accept that failed for want of descriptors or memory.
const maxAcceptWait = time.Second

// acceptLoop accepts until l is closed and hands each connection to serve, which must not block, so that no connection
// waits for another. The end of ctx ends its pauses. Running out of descriptors costs a pause, never the listener; the kernel's queue holds who comes
// meanwhile. A few descriptors are left over, without which the connection to the server could not be made anew.
func acceptLoop(ctx context.Context, l net.Listener, log *slog.Logger, serve func(stream)) {
	wait := time.Duration(0)
	for {
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
			awaitDescriptors(ctx, l, log)
		case errors.Is(err, net.ErrClosed), ctx.Err() != nil:
			return
		default:
			if wait == 0 {
				log.Warn("no more connections can be accepted, trying on", "listen", l.Addr().String(), "err", err)
			}
			wait = min(max(2*wait, 5*time.Millisecond), maxAcceptWait)
			pause(ctx, wait)
		}
	}
}

// awaitDescriptors waits until there are some to spare.
func awaitDescriptors(ctx context.Context, l net.Listener, log *slog.Logger) {
	for told := false; descriptorsScarce() && ctx.Err() == nil; told = true {
		if !told {
			log.Warn("connections wait for others to end", "listen", l.Addr().String(), "err", "almost as many files are open as the limit allows (ulimit -n)")
		}
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
