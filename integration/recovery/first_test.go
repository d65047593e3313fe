package recovery

import (
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// The test that CONTRIBUTING shows to whoever writes the first one.
func TestServedAfterACut(t *testing.T) {
	t.Parallel()
	l := lab.New(t)                                                // sshd, a relay before it, an account
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address()) // -L, to an echo server
	c := l.Open(lab.Tunneld, []lab.Route{r})                       // the real program, until r carries bytes
	from := c.Mark()
	l.Relay.Cut()
	lab.WaitLost(t, c, from, lab.Patience)
	lab.Check(t, r.Works(lab.Patience))
}
