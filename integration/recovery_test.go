package integration

import (
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hasty keeps the waits between attempts short, so that outages follow each other quickly.
var hasty = []string{"-o", "TunneldBackoffMax=1"}

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

func TestStopsWhenAsked(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			ways := routes(t, startTarget(t, echo).address())
			c := l.open(tunneld, ways)
			c.signal(s)
			if code := c.waitExit(t, 5*time.Second); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			for _, r := range ways {
				if err := r.works(time.Second); err == nil {
					t.Errorf("%s still works after the end", r.name)
				}
			}
		})
	}
}

func TestStopsWhenAskedDuringAnOutage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	held := r.connect(t)
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, 5*time.Second); code != 0 { // it can not be served any more, so nobody waits for it
		t.Errorf("exit code %d, want 0", code)
	}
	if err := readToEnd(held, patience); !wasReset(err) {
		t.Errorf("the held connection ended with %v, want a reset", err)
	}
}
