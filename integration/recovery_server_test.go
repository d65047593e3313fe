package integration

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Servers that take the connection and do not go on with it. Each is told for what it is, tried again without haste, and
// what clients wanted meanwhile is done as soon as it goes on.
func TestServersThatDoNotGoOn(t *testing.T) {
	instead := func(serve func(*net.TCPConn)) func(*lab) { // of the server
		return func(l *lab) { l.relay.aim(startTarget(l.t, serve).address()) }
	}
	back := func(l *lab) { l.relay.aim(l.server.address()) }
	for _, c := range []struct {
		name   string
		break_ func(l *lab)
		mend   func(l *lab)
		says   string
	}{
		{"resets", func(l *lab) { l.relay.setRefuse(true) }, func(l *lab) { l.relay.setRefuse(false) },
			"connection reset by peer"},
		{"hangs up", instead(func(c *net.TCPConn) { c.CloseWrite(); io.Copy(io.Discard, c) }), back,
			"key exchange: the server closed the connection"},
		{"says nothing", func(l *lab) { l.relay.setMute(true) }, func(l *lab) { l.relay.setMute(false); l.relay.cut() },
			"key exchange: no answer within 1s"},
		{"falls silent in the key exchange", instead(func(c *net.TCPConn) { io.WriteString(c, "SSH-2.0-mute\r\n"); io.Copy(io.Discard, c) }), back,
			"key exchange: no answer within 1s"},
		{"is none", instead(func(c *net.TCPConn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) }), back,
			"not an SSH server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "ConnectTimeout 1")
			r := localRoute(t, startTarget(t, echo).address())
			p := l.open(tunneld, []route{r})
			from := p.mark()
			c.break_(l)
			l.relay.cut()
			held := r.connect(t)
			failed := p.waitLine(t, from, patience, "an attempt that failed", isFailed)
			if phase := failed.field("phase"); phase != "handshake" && phase != "dial" || !strings.Contains(failed.field("err"), c.says) {
				t.Errorf("phase %q, %q: want %q", failed.field("phase"), failed.field("err"), c.says)
			}
			before := l.relay.count()
			never(t, 4*time.Second, "many attempts in four seconds", func() bool { return l.relay.count() > before+5 })
			c.mend(l)
			check(t, exchange(held, "held since it began", patience))
		})
	}
}
