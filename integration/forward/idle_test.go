package forward

import (
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// ChannelTimeout closes what carries nothing, by the rule of its kind; the client sees a reset, and the tunnel stays.
func TestIdleConnectionsAreClosed(t *testing.T) {
	for name, c := range map[string]struct {
		rules  string
		closed map[string]bool // by the name of the route
	}{
		"local":  {"direct-tcpip=1s", map[string]bool{"L": true, "D": true}},
		"remote": {"session=1s forwarded-*=1s", map[string]bool{"R": true}},
		"global": {"direct-tcpip=1h global=1s", map[string]bool{"L": true, "D": true, "R": true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, "ChannelTimeout "+c.rules)
			routes := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
			p := l.Open(lab.Tunneld, routes)
			for _, r := range routes {
				if !c.closed[r.Name] {
					continue
				}
				conn := r.Connect(t)
				lab.Check(t, lab.Exchange(conn, "hi", lab.Patience))
				if err := lab.ReadToEnd(conn, lab.Patience); r.Name != "R" {
					lab.ExpectReset(t, "an idle connection of "+r.Name, err)
				} // the server ends that of R
			}
			for _, r := range routes {
				lab.Check(t, r.Works(lab.Patience))
			}
			if n := len(p.Matching(func(line lab.Line) bool { return line.Field("msg") == "idle channel closed" })); n < len(c.closed) {
				t.Errorf("%d channels were closed for being idle, want %d", n, len(c.closed))
			}
		})
	}
}

// A kind without a rule is left alone, and a reload changes the rules for what is open.
func TestIdleRulesChangeWithTheConfiguration(t *testing.T) {
	t.Parallel()
	l := lab.New(t, "ChannelTimeout direct-tcpip=1s")
	routes := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	l.Open(lab.Tunneld, routes)
	quiet, other := routes[0].Connect(t), routes[1].Connect(t)
	lab.Check(t, lab.Exchange(quiet, "hi", lab.Patience))
	lab.Check(t, lab.Exchange(other, "hi", lab.Patience))
	lab.ExpectReset(t, "the client of L", lab.ReadToEnd(quiet, lab.Patience))
	lab.Check(t, lab.Exchange(other, "no rule is for this", lab.Patience))
	l.Options("ChannelTimeout forwarded-tcpip=1s")
	l.Account.Expect(0, "", "reload", lab.Alias)
	if err := lab.ReadToEnd(other, lab.Patience); err != nil && !lab.WasReset(err) {
		t.Error(err)
	}
}
