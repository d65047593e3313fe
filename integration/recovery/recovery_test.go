package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"sync"
	"testing"
	"time"
)

func TestComesBackEachTimeTheServerIsKilled(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, ways, lab.Hasty...)
	for round := range 10 {
		l.Server.Kill()
		l.Server.Start()
		started := time.Now()
		for _, r := range ways {
			lab.Eventually(t, lab.Patience, fmt.Sprintf("round %d: %s works again", round, r.Name), func() bool {
				return r.Works(time.Second) == nil
			})
		}
		t.Logf("round %d: back %v after the server", round, time.Since(started).Round(time.Millisecond))
	}
	if !c.Running() {
		t.Error("tunneld has ended")
	}
}

func TestConnectionsOpenedDuringAnOutageAreServedAfterIt(t *testing.T) {
	t.Parallel()
	const count = 200
	l := lab.New(t)
	echoes := lab.StartTarget(t, lab.Echo).Address()
	local, dynamic := lab.LocalRoute(t, echoes), lab.DynamicRoute(t, echoes)
	c := l.Open(lab.Tunneld, []lab.Route{local, dynamic}, lab.Hasty...)

	from := c.Mark()
	l.Server.Kill()
	lab.WaitLost(t, c, from, lab.Patience)
	var dialled, served sync.WaitGroup
	failures := make(chan error, count)
	dialled.Add(count)
	for i := range count {
		served.Go(func() {
			r := local
			if i%2 == 1 {
				r = dynamic // SOCKS is agreed on while the tunnel is down, too
			}
			conn, err := net.Dial(r.Network, r.Address)
			dialled.Done()
			if err != nil {
				failures <- fmt.Errorf("refused during the outage: %w", err)
				return
			}
			defer conn.Close()
			if err = r.Agree(conn); err == nil {
				err = lab.Exchange(conn, fmt.Sprint("held ", i), 2*lab.Patience)
			}
			if err != nil {
				failures <- fmt.Errorf("connection %d by %s: %w", i, r.Name, err)
			}
		})
	}
	dialled.Wait()
	l.Server.Start()
	served.Wait()
	close(failures)
	lab.Summarize(t, failures)
}

func TestWaitsForAServerThatIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Server.Kill()
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Start(lab.Tunneld, append(r.Flags, lab.Hasty...)...)
	lab.WaitFailed(t, c, 1)
	conn := r.Connect(t)
	l.Server.Start()
	lab.Check(t, lab.Exchange(conn, "held since before the first session", lab.Patience))
}

// A connection is held for TunneldHold and not longer; its end is a reset, so that nobody takes it for an answer.
func TestHoldEndsWithAReset(t *testing.T) {
	for _, hold := range []int{0, 1} {
		t.Run(fmt.Sprint(hold, " s"), func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			l.Server.Kill()
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Start(lab.Tunneld, append(r.Flags, "-o", fmt.Sprint("TunneldHold=", hold))...)
			lab.WaitFailed(t, c, 1)
			began := time.Now()
			conn, err := r.Dial()
			if err == nil { // the reset may be quicker than connect
				defer conn.Close()
				err = lab.ReadToEnd(conn, lab.Patience)
			}
			lab.ExpectReset(t, "the client", err)
			span := time.Duration(hold) * time.Second
			if took := time.Since(began); took < span-50*time.Millisecond || took > span+5*time.Second {
				t.Errorf("held for %v, want %v", took, span)
			}
		})
	}
}
