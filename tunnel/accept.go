package tunnel

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// maxAcceptWait is the longest pause after an Accept that failed for want of descriptors or memory.
const maxAcceptWait = time.Second

// acceptLoop accepts until l is closed and hands each connection to serve, which must not block, so that no connection
// waits for another. Running out of descriptors costs a pause, never the listener.
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

// pause waits for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
