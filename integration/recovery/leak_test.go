package recovery

import (
	"github.com/tunneld/tunneld/integration/lab"
	"syscall"
	"testing"
)

// After a hundred cuts with connections open, as many descriptors and goroutines are there as before the first.
func TestNothingIsLeftOver100Cuts(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ways := lab.Routes(t, lab.StartTarget(t, lab.Echo).Address())
	fresh := l.Open(lab.Tunneld, ways, "-o", "TunneldEcho=off")
	before := lab.Goroutines(t, fresh)

	c := l.Open(lab.Tunneld, ways, append([]string{"-o", "TunneldEcho=off"}, lab.Hasty...)...)
	files, kinds := lab.Settled(c)
	for range 100 {
		for _, r := range ways {
			lab.Check(t, lab.Exchange(r.Connect(t), "open when it is cut", lab.Patience))
		}
		from := c.Mark()
		l.Relay.Cut()
		if lab.WaitLost(t, c, from, lab.Patience).Field("retry_in_seconds") != "0" {
			c.Signal(syscall.SIGUSR1) // do not wait for the backoff
		}
		lab.WaitUp(t, c, from)
		for _, r := range ways { // with bytes: a port may still be that of the server's process of before
			l.WaitWorking(c, r)
		}
	}
	if t.Failed() {
		return
	}
	if !lab.Within(lab.Patience, func() bool { n, _ := lab.Descriptors(c.Pid()); return n <= files }) {
		n, now := lab.Descriptors(c.Pid())
		t.Errorf("%d descriptors after the cuts, %d before: %v, before %v", n, files, now, kinds)
	}
	before.Compare(t, c)
}
