package integration

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

func TestComesBackEachTimeTheServerIsKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ways := routes(t, startTarget(t, echo).address())
	c := l.open(tunneld, ways, hasty...)
	for round := range 10 {
		l.server.kill()
		l.server.start()
		started := time.Now()
		for _, r := range ways {
			eventually(t, patience, fmt.Sprintf("round %d: %s works again", round, r.name), func() bool {
				return r.works(time.Second) == nil
			})
		}
		t.Logf("round %d: back %v after the server", round, time.Since(started).Round(time.Millisecond))
	}
	if !c.running() {
		t.Error("tunneld has ended")
	}
}

func TestConnectionsOpenedDuringAnOutageAreServedAfterIt(t *testing.T) {
	t.Parallel()
	const count = 200
	l := newLab(t)
	echoes := startTarget(t, echo).address()
	local, dynamic := localRoute(t, echoes), dynamicRoute(t, echoes)
	c := l.open(tunneld, []route{local, dynamic}, hasty...)

	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	var dialled, served sync.WaitGroup
	failures := make(chan error, count)
	dialled.Add(count)
	for i := range count {
		served.Go(func() {
			r := local
			if i%2 == 1 {
				r = dynamic // SOCKS is agreed on while the tunnel is down, too
			}
			conn, err := net.Dial(r.network, r.address)
			dialled.Done()
			if err != nil {
				failures <- fmt.Errorf("refused during the outage: %w", err)
				return
			}
			defer conn.Close()
			if err = r.agree(conn); err == nil {
				err = exchange(conn, fmt.Sprint("held ", i), 2*patience)
			}
			if err != nil {
				failures <- fmt.Errorf("connection %d by %s: %w", i, r.name, err)
			}
		})
	}
	dialled.Wait()
	l.server.start()
	served.Wait()
	close(failures)
	summarize(t, failures)
}

func TestWaitsForAServerThatIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.server.kill()
	r := localRoute(t, startTarget(t, echo).address())
	c := l.start(tunneld, append(r.flags, hasty...)...)
	waitFailed(t, c, 1)
	conn := r.connect(t)
	l.server.start()
	check(t, exchange(conn, "held since before the first session", patience))
}

// A connection is held for TunneldHold and not longer; its end is a reset, so that nobody takes it for an answer.
func TestHoldEndsWithAReset(t *testing.T) {
	for _, hold := range []int{0, 1} {
		t.Run(fmt.Sprint(hold, " s"), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.server.kill()
			r := localRoute(t, startTarget(t, echo).address())
			c := l.start(tunneld, append(r.flags, "-o", fmt.Sprint("TunneldHold=", hold))...)
			waitFailed(t, c, 1)
			began := time.Now()
			conn, err := r.dial()
			if err == nil { // the reset may be quicker than connect
				defer conn.Close()
				err = readToEnd(conn, patience)
			}
			expectReset(t, "the client", err)
			span := time.Duration(hold) * time.Second
			if took := time.Since(began); took < span-50*time.Millisecond || took > span+time.Second {
				t.Errorf("held for %v, want %v", took, span)
			}
		})
	}
}
