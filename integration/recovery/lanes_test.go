package recovery

import (
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"syscall"
	"testing"
	"time"
)

// Of several connections the death of one costs its own streams alone, and the remote port moves to a live one.
func TestDeathOfOneConnectionOfSeveral(t *testing.T) {
	t.Parallel()
	const slots, each = 3, 4
	l := lab.New(t)
	echoes := lab.StartTarget(t, lab.Echo).Address()
	local, remote := lab.LocalRoute(t, echoes), lab.RemoteRoute(t, echoes)
	c := l.Open(lab.Tunneld, []lab.Route{local, remote}, append([]string{"-o", fmt.Sprint("TunneldConnections=", slots), "-o", "TunneldEcho=off"}, lab.Hasty...)...)
	lab.Eventually(t, lab.Patience, "all connections are up", func() bool { return len(c.Matching(lab.IsUp)) == slots })

	// One after the other they go to the least loaded.
	var streams []net.Conn
	for i := range slots * each {
		conn := local.Connect(t)
		lab.Check(t, lab.Exchange(conn, fmt.Sprint("stream ", i), lab.Patience))
		streams = append(streams, conn)
	}
	for _, link := range l.Relay.Some() {
		from := c.Mark()
		link.Reset()
		lost := lab.WaitLost(t, c, from, lab.Patience)
		dead := 0
		var alive []net.Conn
		for i, conn := range streams {
			if err := lab.Exchange(conn, fmt.Sprint("stream ", i, " goes on"), lab.Patience); err == nil {
				alive = append(alive, conn)
			} else if dead++; !lab.WasReset(err) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("stream %d ended with %v, want a reset", i, err)
			}
		}
		if dead < each-1 || dead > each+1 { // the remote route's client may have counted for one
			t.Errorf("connection %s was lost and with it %d of %d streams, want %d", lost.Field("session"), dead, len(streams), each)
		}
		streams = alive
		lab.Check(t, local.Works(lab.Patience))
		l.WaitWorking(c, remote)
		lab.WaitUp(t, c, from)
		for range dead {
			streams = append(streams, local.Connect(t))
		}
		for i, conn := range streams { // opens what is new
			lab.Check(t, lab.Exchange(conn, fmt.Sprint("stream ", i, " again"), lab.Patience))
		}
	}
}

// TunneldLazy: no connection before the first client, none after the last has been gone for long, and another for the next.
func TestLazyTunnelConnectsOnFirstUse(t *testing.T) {
	t.Parallel()
	l := lab.New(t, "TunneldLazy 1")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Start(lab.Tunneld, r.Flags...)
	c.WaitLine(t, 0, lab.Patience, "listening", lab.Said("listening"))
	lab.Never(t, 500*time.Millisecond, "connected although nobody came", func() bool { return l.Relay.Count() > 0 })
	for use := 1; use <= 2; use++ {
		conn := r.Connect(t)
		lab.Check(t, lab.Exchange(conn, "wake up", lab.Patience))
		lab.Never(t, 1500*time.Millisecond, "disconnected although somebody is there", func() bool { return l.Relay.OpenLinks() == 0 })
		lab.Check(t, lab.Exchange(conn, "still there", lab.Patience))
		conn.Close()
		lab.Eventually(t, lab.Patience, "disconnected when nobody was there", func() bool { return l.Relay.OpenLinks() == 0 })
		if n := l.Relay.Count(); n != use {
			t.Errorf("%d connections to the server after %d uses", n, use)
		}
	}
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
