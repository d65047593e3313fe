package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Servers that take the connection and do not go on with it. Each is told for what it is, tried again without haste, and
// what clients wanted meanwhile is done as soon as it goes on.
func TestServersThatDoNotGoOn(t *testing.T) {
	instead := func(serve func(*net.TCPConn)) func(*lab.Lab) { // of the server
		return func(l *lab.Lab) { l.Relay.Aim(lab.StartTarget(l.T, serve).Address()) }
	}
	back := func(l *lab.Lab) { l.Relay.Aim(l.Server.Address()) }
	for _, c := range []struct {
		name   string
		break_ func(l *lab.Lab)
		mend   func(l *lab.Lab)
		says   string
	}{
		{"resets", func(l *lab.Lab) { l.Relay.SetRefuse(true) }, func(l *lab.Lab) { l.Relay.SetRefuse(false) },
			"connection reset by peer"},
		{"hangs up", instead(func(c *net.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) }), back,
			"key exchange: the server closed the connection"},
		{"says nothing", func(l *lab.Lab) { l.Relay.SetMute(true) }, func(l *lab.Lab) { l.Relay.SetMute(false); l.Relay.Cut() },
			"key exchange: no answer within 1s"},
		{"falls silent in the key exchange", instead(func(c *net.TCPConn) { io.WriteString(c, "SSH-2.0-mute\r\n"); io.Copy(io.Discard, c) }), back,
			"key exchange: no answer within 1s"},
		{"is none", instead(func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) }), back,
			"not an SSH server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, "ConnectTimeout 1")
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			p := l.Open(lab.Tunneld, []lab.Route{r})
			from := p.Mark()
			c.break_(l)
			l.Relay.Cut()
			held := r.Connect(t)
			failed := p.WaitLine(t, from, lab.Patience, "an attempt that failed", lab.IsFailed)
			if phase := failed.Field("phase"); phase != "handshake" && phase != "dial" || !strings.Contains(failed.Field("err"), c.says) {
				t.Errorf("phase %q, %q: want %q", failed.Field("phase"), failed.Field("err"), c.says)
			}
			before := l.Relay.Count()
			lab.Never(t, 4*time.Second, "many attempts in four seconds", func() bool { return l.Relay.Count() > before+5 })
			c.mend(l)
			lab.Check(t, lab.Exchange(held, "held since it began", lab.Patience))
		})
	}
}
