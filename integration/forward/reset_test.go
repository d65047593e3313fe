package forward

import (
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"testing"
)

// An open connection cannot outlive its SSH connection. The client must see a reset: after a clean end a transfer that
// was cut off would look complete.
func TestOpenConnectionsAreResetWhenTheSessionBreaks(t *testing.T) {
	breaks := map[string]func(*lab.Lab){
		"connection reset":  func(l *lab.Lab) { l.Relay.Cut() },
		"connection closed": func(l *lab.Lab) { l.Relay.HangUp() },
		"server killed":     func(l *lab.Lab) { l.Server.Kill() },
		"session killed":    func(l *lab.Lab) { l.Server.KillSessions() },
	}
	for name, break_ := range breaks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			ended := make(chan error, 10)
			echoes := lab.StartTarget(t, lab.Echo)
			ours := lab.StartTarget(t, func(c *net.TCPConn) { // the target of R tells how a used connection ended
				if _, err := io.CopyN(c, c, 2); err == nil {
					ended <- lab.ReadToEnd(c, lab.Patience)
				}
			})
			ways := []lab.Route{lab.LocalRoute(t, echoes.Address()), lab.DynamicRoute(t, echoes.Address()), lab.RemoteRoute(t, ours.Address())}
			l.Open(lab.Tunneld, ways, lab.Hasty...)
			var open []net.Conn
			for _, r := range ways {
				conn := r.Connect(t)
				lab.Check(t, lab.Exchange(conn, "hi", lab.Patience))
				open = append(open, conn)
			}
			break_(l)
			lab.ExpectReset(t, "the client of L", lab.ReadToEnd(open[0], lab.Patience))
			lab.ExpectReset(t, "the client of D", lab.ReadToEnd(open[1], lab.Patience))
			lab.ExpectReset(t, "the target of R", lab.Receive(t, ended))
		})
	}
}

// The same in the middle of a transfer in each direction.
func TestTransfersAreResetWhenTheSessionBreaks(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	begun, ended := make(chan bool, 10), make(chan error, 10)
	source := lab.StartTarget(t, func(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, lab.Stream(1, 1<<40)) })
	sink := lab.StartTarget(t, func(c *net.TCPConn) {
		if _, err := io.CopyN(io.Discard, c, 1<<20); err == nil {
			begun <- true
			ended <- lab.ReadToEnd(c, lab.Patience)
		}
	})
	down := []lab.Route{lab.LocalRoute(t, source.Address()), lab.DynamicRoute(t, source.Address())}
	up := lab.RemoteRoute(t, sink.Address())
	l.Open(lab.Tunneld, append(down, up), lab.Hasty...)
	uploading := up.Connect(t)
	go io.Copy(uploading, lab.Stream(1, 1<<40))
	var downloads []net.Conn
	for _, r := range down {
		conn := r.Connect(t)
		if _, err := io.CopyN(io.Discard, conn, 1<<20); err != nil {
			t.Fatal(err)
		}
		downloads = append(downloads, conn)
	}
	lab.Receive(t, begun)
	l.Relay.Cut()
	for i, conn := range downloads {
		lab.ExpectReset(t, "the client of "+down[i].Name, lab.ReadToEnd(conn, lab.Patience))
	}
	lab.ExpectReset(t, "the target of R", lab.Receive(t, ended))
}
