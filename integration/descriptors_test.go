package integration

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Clients that wait for the server must not take the descriptors without which it can not be reached: under a low limit the
// tunnel never came back.
func TestHeldConnectionsLeaveDescriptors(t *testing.T) {
	t.Parallel()
	const clients = 150
	l := newLab(t, "TunneldDrain 1")
	l.prefix = []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, hasty...)
	from := c.mark()
	l.server.kill()
	waitLost(t, c, from, patience)
	var held []net.Conn
	for range clients {
		held = append(held, r.connect(t))
	}
	c.waitLine(t, from, patience, "descriptors run out", said("connections wait for others to end"))
	l.server.start()
	for i, conn := range held {
		check(t, exchange(conn, fmt.Sprint("client ", i), patience))
		conn.Close()
	}
	if failed := c.matching(func(l line) bool { return strings.Contains(l.field("err"), "too many open files") }); len(failed) > 0 {
		t.Errorf("the server could not be dialled: %v", failed)
	}
	for range clients {
		r.connect(t)
	}
	begun := time.Now()
	c.signal(syscall.SIGTERM)
	if code, took := c.waitExit(t, patience), time.Since(begun); code != 0 || took > 5*time.Second {
		t.Errorf("stopping with too many clients: exit %d after %v", code, took)
	}
}
