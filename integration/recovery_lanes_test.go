package integration

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// Of several connections the death of one costs its own streams alone, and the remote port moves to a live one.
func TestDeathOfOneConnectionOfSeveral(t *testing.T) {
	t.Parallel()
	const lanes, each = 3, 4
	l := newLab(t)
	echoes := startTarget(t, echo).address()
	local, remote := localRoute(t, echoes), remoteRoute(t, echoes)
	c := l.open(tunneld, []route{local, remote}, append([]string{"-o", fmt.Sprint("TunneldConnections=", lanes), "-o", "TunneldEcho=off"}, hasty...)...)
	eventually(t, patience, "all connections are up", func() bool { return len(c.matching(isUp)) == lanes })

	// One after the other they go to the least loaded.
	var streams []net.Conn
	for i := range lanes * each {
		conn := local.connect(t)
		check(t, exchange(conn, fmt.Sprint("stream ", i), patience))
		streams = append(streams, conn)
	}
	for _, link := range l.relay.some() {
		from := c.mark()
		link.reset()
		lost := waitLost(t, c, from, patience)
		dead := 0
		var alive []net.Conn
		for i, conn := range streams {
			if err := exchange(conn, fmt.Sprint("stream ", i, " goes on"), patience); err == nil {
				alive = append(alive, conn)
			} else if dead++; !wasReset(err) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("stream %d ended with %v, want a reset", i, err)
			}
		}
		if dead < each-1 || dead > each+1 { // the remote route's client may have counted for one
			t.Errorf("connection %s was lost and with it %d of %d streams, want %d", lost.field("session"), dead, len(streams), each)
		}
		streams = alive
		check(t, local.works(patience))
		l.waitWorking(c, remote)
		waitUp(t, c, from)
		for range dead {
			streams = append(streams, local.connect(t))
		}
		for i, conn := range streams { // opens what is new
			check(t, exchange(conn, fmt.Sprint("stream ", i, " again"), patience))
		}
	}
}

// TunneldLazy: no connection before the first client, none after the last has been gone for long, and another for the next.
func TestLazyTunnelConnectsOnFirstUse(t *testing.T) {
	t.Parallel()
	l := newLab(t, "TunneldLazy 1")
	r := localRoute(t, startTarget(t, echo).address())
	c := l.start(tunneld, r.flags...)
	c.waitLine(t, 0, patience, "listening", said("listening"))
	never(t, 500*time.Millisecond, "connected although nobody came", func() bool { return l.relay.count() > 0 })
	for use := 1; use <= 2; use++ {
		conn := r.connect(t)
		check(t, exchange(conn, "wake up", patience))
		never(t, 1500*time.Millisecond, "disconnected although somebody is there", func() bool { return l.relay.openLinks() == 0 })
		check(t, exchange(conn, "still there", patience))
		conn.Close()
		eventually(t, patience, "disconnected when nobody was there", func() bool { return l.relay.openLinks() == 0 })
		if n := l.relay.count(); n != use {
			t.Errorf("%d connections to the server after %d uses", n, use)
		}
	}
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
