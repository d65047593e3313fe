package integration

import (
	"io"
	"net"
	"testing"
)

// An open connection can not outlive its SSH connection. The client must see a reset: after a clean end a transfer that
// was cut off would look complete.
func TestOpenConnectionsAreResetWhenTheSessionBreaks(t *testing.T) {
	breaks := map[string]func(*lab){
		"connection reset":  func(l *lab) { l.relay.cut() },
		"connection closed": func(l *lab) { l.relay.hangUp() },
		"server killed":     func(l *lab) { l.server.kill() },
		"session killed":    func(l *lab) { l.server.killSessions() },
	}
	for name, break_ := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			ended := make(chan error, 10)
			echoes := startTarget(t, echo)
			ours := startTarget(t, func(c *net.TCPConn) { // the target of R tells how a used connection ended
				if _, err := io.CopyN(c, c, 2); err == nil {
					ended <- readToEnd(c, patience)
				}
			})
			ways := []route{localRoute(t, echoes.address()), dynamicRoute(t, echoes.address()), remoteRoute(t, ours.address())}
			l.open(tunneld, ways, hasty...)
			var open []net.Conn
			for _, r := range ways {
				conn := r.connect(t)
				check(t, exchange(conn, "hi", patience))
				open = append(open, conn)
			}
			break_(l)
			expectReset(t, "the client of L", readToEnd(open[0], patience))
			expectReset(t, "the client of D", readToEnd(open[1], patience))
			expectReset(t, "the target of R", receive(t, ended))
		})
	}
}

// The same in the middle of a transfer in each direction.
func TestTransfersAreResetWhenTheSessionBreaks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	begun, ended := make(chan bool, 10), make(chan error, 10)
	source := startTarget(t, func(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, stream(1, 1<<40)) })
	sink := startTarget(t, func(c *net.TCPConn) {
		if _, err := io.CopyN(io.Discard, c, 1<<20); err == nil {
			begun <- true
			ended <- readToEnd(c, patience)
		}
	})
	down := []route{localRoute(t, source.address()), dynamicRoute(t, source.address())}
	up := remoteRoute(t, sink.address())
	l.open(tunneld, append(down, up), hasty...)
	uploading := up.connect(t)
	go io.Copy(uploading, stream(1, 1<<40))
	var downloads []net.Conn
	for _, r := range down {
		conn := r.connect(t)
		if _, err := io.CopyN(io.Discard, conn, 1<<20); err != nil {
			t.Fatal(err)
		}
		downloads = append(downloads, conn)
	}
	receive(t, begun)
	l.relay.cut()
	for i, conn := range downloads {
		expectReset(t, "the client of "+down[i].name, readToEnd(conn, patience))
	}
	expectReset(t, "the target of R", receive(t, ended))
}
