package integration

import (
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
	freezers := map[string]func(l *lab) (thaw func()){
		"server stopped": func(l *lab) func() {
			frozen := l.server.freeze()
			return func() { l.server.thaw(frozen) }
		},
		"relay passes nothing":             func(l *lab) func() { l.relay.freeze(); return l.relay.thaw },
		"relay passes nothing to the us":   func(l *lab) func() { l.relay.freeze(toClient); return l.relay.thaw },
		"relay passes nothing to the peer": func(l *lab) func() { l.relay.freeze(toServer); return l.relay.thaw },
	}
	loads := map[string]func(t *testing.T, r route){
		"idle": func(*testing.T, route) {},
		"in mid-transfer": func(t *testing.T, r route) { // writes until nothing more fits
			conn := r.connect(t)
			go io.Copy(conn, stream(1, 1<<40))
			go io.Copy(io.Discard, conn)
		},
	}
	for name, freeze := range freezers {
		for load, begin := range loads {
			t.Run(name+", "+load, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, "ServerAliveInterval "+interval, "ServerAliveCountMax "+count)
				r := localRoute(t, startTarget(t, echo).address())
				c := l.open(tunneld, []route{r}, append([]string{"-o", "TunneldEcho=off"}, hasty...)...)
				begin(t, r)
				from := c.mark()
				frozen := time.Now()
				thaw := freeze(l)
				noticed := waitLost(t, c, from, 3*limit)
				if took := noticed.at.Sub(frozen); took > limit {
					t.Errorf("noticed after %v, want at most %v", took, limit)
				} else {
					t.Logf("noticed after %v", took.Round(time.Millisecond))
				}
				thaw()
				check(t, r.works(patience))
			})
		}
	}
}

// A busy link is not a dead one: as long as bytes come in, nothing is to be restarted.
func TestBusySlowLinkIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t, "ServerAliveInterval 1", "ServerAliveCountMax 2")
	l.relay.setDelay(300 * time.Millisecond)
	r := localRoute(t, startTarget(t, transfers).address())
	c := l.open(tunneld, []route{r})
	check(t, transfer(r.connect(t), download, 1, 8<<20))
	check(t, transfer(r.connect(t), upload, 2, 8<<20))
	if lost := c.matching(isLost); len(lost) > 0 {
		t.Errorf("the connection was given up: %s", lost[0].text)
	}
	if n := l.relay.count(); n != 1 {
		t.Errorf("%d connections to the server, want 1", n)
	}
}
