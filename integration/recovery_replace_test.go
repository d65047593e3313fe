package integration

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Make before break: whatever the reason for a new connection, no local connection fails, a transfer that is under way
// ends on the old one even when it takes longer than TunneldDrain, and the remote port moves.
func TestReplacedConnectionsBreakNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		lines   []string // of ssh_config(5)
		replace func(l *lab, c *child)
		why     string // in the log
	}{
		{"tunneld reconnect", nil, func(l *lab, _ *child) {
			if code := l.account.tunneld("reconnect", alias).waitExit(l.t, patience); code != 0 {
				l.t.Errorf("tunneld reconnect: exit code %d", code)
			}
		}, "asked to reconnect"},
		{"USR1", nil, func(_ *lab, c *child) { c.signal(syscall.SIGUSR1) }, "asked to reconnect"},
		{"HUP after a change", nil, func(l *lab, c *child) {
			l.options("TunneldDrain 1", "Ciphers aes256-gcm@openssh.com")
			c.signal(syscall.SIGHUP)
		}, "asked to reconnect"},
		{"TunneldMaxLifetime", []string{"TunneldMaxLifetime 2"}, func(*lab, *child) {}, "TunneldMaxLifetime reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, append(c.lines, "TunneldDrain 1")...)
			echoes, slow := startTarget(t, echo).address(), startTarget(t, trickle).address()
			ways := []route{localRoute(t, echoes), dynamicRoute(t, echoes), remoteRoute(t, echoes), localRoute(t, slow)}
			p := l.open(tunneld, ways)
			var callers []*caller
			for _, r := range ways[:2] {
				callers = append(callers, startCaller(t, r))
			}
			transfers := startTransfers(t, ways[3])
			from := p.mark()
			c.replace(l, p)
			up := p.waitLine(t, from, patience, "replaced", said("replaced"))
			if up.field("why") != c.why {
				t.Errorf("replaced because %q, want %q", up.field("why"), c.why)
			}
			l.waitWorking(p, ways[2])
			if err := transfers(); err != nil {
				t.Errorf("the transfer under way: %v", err)
			}
			p.waitLine(t, from, patience, "the old one closed", said("old connection closed"))
			for _, caller := range callers {
				caller.stop()
				if count, examples := caller.refused(nil); count > 0 {
					t.Errorf("%s: %d of %d connections failed: %v", caller.route.name, count, len(caller.calls), examples)
				}
			}
			if lost := p.matching(isLost); len(lost) > 0 {
				t.Errorf("a connection was lost: %s", lost[0].text)
			}
		})
	}
}

// trickle sends a line every 100 ms for three seconds, then ends.
func trickle(c *net.TCPConn) {
	for i := range 30 {
		if _, err := fmt.Fprintln(c, i); err != nil {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}

// startTransfers begins to read a trickle; what it gives waits for its end and tells whether all of it came.
func startTransfers(t *testing.T, r route) func() error {
	conn := r.connect(t)
	begun := make(chan struct{})
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		var got strings.Builder
		buffer := make([]byte, 1024)
		conn.SetReadDeadline(time.Now().Add(patience))
		for {
			n, failed := conn.Read(buffer)
			if got.Len() == 0 {
				close(begun)
			}
			got.Write(buffer[:n])
			if failed != nil {
				if !strings.HasSuffix(got.String(), "28\n29\n") {
					err = fmt.Errorf("%w after %q", failed, got.String())
				}
				return
			}
		}
	})
	<-begun
	return func() error { done.Wait(); return err }
}

// An idle connection of a session that was replaced ends after TunneldDrain.
func TestIdleConnectionsEndAfterTunneldDrain(t *testing.T) {
	t.Parallel()
	l := newLab(t, "TunneldDrain 1")
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r})
	idle := r.connect(t)
	check(t, exchange(idle, "hello", patience))
	begun := time.Now()
	c.signal(syscall.SIGUSR1)
	expectReset(t, "the client", readToEnd(idle, patience))
	if took := time.Since(begun); took < time.Second {
		t.Errorf("cut after %v, TunneldDrain is 1 s", took)
	}
	check(t, r.works(patience))
}
