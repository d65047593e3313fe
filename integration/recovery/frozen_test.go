package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"testing"
	"time"
)

// A frozen link closes nothing and says nothing: only probes tell. It has to be noticed within
// ServerAliveInterval × ServerAliveCountMax and what a busy machine takes to get round to it, whatever froze and whatever was
// going on; without probes it would take TCP minutes. The log has the times: 3.0 to 3.2 s on a quiet machine.
func TestFrozenLinkIsNoticed(t *testing.T) {
	const (
		interval, count = "1", "3"
		limit           = 10 * time.Second
	)
	freezers := map[string]func(l *lab.Lab) (thaw func()){
		"server stopped": func(l *lab.Lab) func() {
			frozen := l.Server.Freeze()
			return func() { l.Server.Thaw(frozen) }
		},
		"relay passes nothing":             func(l *lab.Lab) func() { l.Relay.Freeze(); return l.Relay.Thaw },
		"relay passes nothing to the us":   func(l *lab.Lab) func() { l.Relay.Freeze(lab.ToClient); return l.Relay.Thaw },
		"relay passes nothing to the peer": func(l *lab.Lab) func() { l.Relay.Freeze(lab.ToServer); return l.Relay.Thaw },
	}
	loads := map[string]func(t *testing.T, r lab.Route){
		"idle": func(*testing.T, lab.Route) {},
		"in mid-transfer": func(t *testing.T, r lab.Route) { // writes until nothing more fits
			conn := r.Connect(t)
			go io.Copy(conn, lab.Stream(1, 1<<40))
			go io.Copy(io.Discard, conn)
		},
	}
	for name, freeze := range freezers {
		for load, begin := range loads {
			t.Run(name+", "+load, func(t *testing.T) {
				t.Parallel()
				l := lab.New(t, "ServerAliveInterval "+interval, "ServerAliveCountMax "+count)
				r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
				c := l.Open(lab.Tunneld, []lab.Route{r}, append([]string{"-o", "TunneldEcho=off"}, lab.Hasty...)...)
				begin(t, r)
				from := c.Mark()
				frozen := time.Now()
				thaw := freeze(l)
				noticed := lab.WaitLost(t, c, from, 3*limit)
				if took := noticed.At.Sub(frozen); took > limit {
					t.Errorf("noticed after %v, want at most %v", took, limit)
				} else {
					t.Logf("noticed after %v", took.Round(time.Millisecond))
				}
				thaw()
				lab.Check(t, r.Works(lab.Patience))
			})
		}
	}
}

// A busy link is not a dead one: as long as bytes come in, nothing is to be restarted.
func TestBusySlowLinkIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := lab.New(t, "ServerAliveInterval 1", "ServerAliveCountMax 2")
	l.Relay.SetDelay(300 * time.Millisecond)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Transfers).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	lab.Check(t, lab.Transfer(r.Connect(t), lab.Download, 1, 8<<20))
	lab.Check(t, lab.Transfer(r.Connect(t), lab.Upload, 2, 8<<20))
	if lost := c.Matching(lab.IsLost); len(lost) > 0 {
		t.Errorf("the connection was given up: %s", lost[0].Text)
	}
	if n := l.Relay.Count(); n != 1 {
		t.Errorf("%d connections to the server, want 1", n)
	}
}
