package integration

import (
	"syscall"
	"testing"
)

// After a hundred cuts with connections open, as many descriptors and goroutines are there as before the first.
func TestNothingIsLeftOver100Cuts(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ways := routes(t, startTarget(t, echo).address())
	fresh := l.open(tunneld, ways, "-o", "TunneldEcho=off")
	before := goroutines(t, fresh)

	c := l.open(tunneld, ways, append([]string{"-o", "TunneldEcho=off"}, hasty...)...)
	files, kinds := settled(c)
	for range 100 {
		for _, r := range ways {
			check(t, exchange(r.connect(t), "open when it is cut", patience))
		}
		from := c.mark()
		l.relay.cut()
		if waitLost(t, c, from, patience).field("retry_in") != "0" {
			c.signal(syscall.SIGUSR1) // do not wait for the backoff
		}
		waitUp(t, c, from)
		l.waitCarrying(c, ways...)
	}
	if t.Failed() {
		return
	}
	if !within(patience, func() bool { n, _ := descriptors(c.pid()); return n <= files }) {
		n, now := descriptors(c.pid())
		t.Errorf("%d descriptors after the cuts, %d before: %v, before %v", n, files, now, kinds)
	}
	before.compare(t, c)
}
