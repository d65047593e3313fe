package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
		replace func(l *lab.Lab, c *lab.Child)
		why     string // in the log
	}{
		{"tunneld reconnect", nil, func(l *lab.Lab, _ *lab.Child) {
			if code := l.Account.Tunneld("reconnect", lab.Alias).WaitExit(l.T, lab.Patience); code != 0 {
				l.T.Errorf("tunneld reconnect: exit code %d", code)
			}
		}, "asked to reconnect"},
		{"USR1", nil, func(_ *lab.Lab, c *lab.Child) { c.Signal(syscall.SIGUSR1) }, "asked to reconnect"},
		{"HUP after a change", nil, func(l *lab.Lab, c *lab.Child) {
			l.Options("TunneldDrain 1", "Ciphers aes256-gcm@openssh.com")
			c.Signal(syscall.SIGHUP)
		}, "asked to reconnect"},
		{"TunneldMaxLifetime", []string{"TunneldMaxLifetime 2"}, func(*lab.Lab, *lab.Child) {}, "TunneldMaxLifetime reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, append(c.lines, "TunneldDrain 1")...)
			echoes, slow := lab.StartTarget(t, lab.Echo).Address(), lab.StartTarget(t, trickle).Address()
			ways := []lab.Route{lab.LocalRoute(t, echoes), lab.DynamicRoute(t, echoes), lab.RemoteRoute(t, echoes), lab.LocalRoute(t, slow)}
			p := l.Open(lab.Tunneld, ways)
			var callers []*caller
			for _, r := range ways[:2] {
				callers = append(callers, startCaller(t, r))
			}
			transfers := startTransfers(t, ways[3])
			from := p.Mark()
			c.replace(l, p)
			up := p.WaitLine(t, from, lab.Patience, "replaced", lab.Said("replaced"))
			if up.Field("why") != c.why {
				t.Errorf("replaced because %q, want %q", up.Field("why"), c.why)
			}
			l.WaitWorking(p, ways[2])
			if err := transfers(); err != nil {
				t.Errorf("the transfer under way: %v", err)
			}
			p.WaitLine(t, from, lab.Patience, "the old one closed", lab.Said("old connection closed"))
			for _, caller := range callers {
				caller.stop()
				if count, examples := caller.refused(nil); count > 0 {
					t.Errorf("%s: %d of %d connections failed: %v", caller.route.Name, count, len(caller.calls), examples)
				}
			}
			if lost := p.Matching(lab.IsLost); len(lost) > 0 {
				t.Errorf("a connection was lost: %s", lost[0].Text)
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

// startTransfers begins to read a trickle; what it returns waits for its end and reports whether all of it came.
func startTransfers(t *testing.T, r lab.Route) func() error {
	conn := r.Connect(t)
	begun := make(chan struct{})
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		var got strings.Builder
		buffer := make([]byte, 1024)
		conn.SetReadDeadline(time.Now().Add(lab.Patience))
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
	l := lab.New(t, "TunneldDrain 1")
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	idle := r.Connect(t)
	lab.Check(t, lab.Exchange(idle, "hello", lab.Patience))
	begun := time.Now()
	c.Signal(syscall.SIGUSR1)
	lab.ExpectReset(t, "the client", lab.ReadToEnd(idle, lab.Patience))
	if took := time.Since(begun); took < time.Second {
		t.Errorf("cut after %v, TunneldDrain is 1 s", took)
	}
	lab.Check(t, r.Works(lab.Patience))
}
