package integration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
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
	if after := goroutines(t, c); after.count > before.count+3 {
		t.Errorf("%d goroutines after the cuts, %d in a fresh process\n%s", after.count, before.count, after.summary)
	}
}

// settled waits until the number of descriptors stands still.
func settled(c *child) (int, map[string]int) {
	last, since := -1, time.Now()
	within(patience, func() bool {
		if n, _ := descriptors(c.pid()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
	return descriptors(c.pid())
}

// census is what a dump of all goroutines tells.
type census struct {
	count   int
	summary string // how many stand in which function
}

// goroutines ends the program with SIGQUIT, which makes the Go runtime print them all, and counts them.
func goroutines(t testing.TB, c *child) census {
	t.Helper()
	settled(c)
	c.signal(syscall.SIGQUIT)
	c.waitExit(t, patience)
	places := make(map[string]int)
	head := regexp.MustCompile(`(?m)^goroutine \d+ .*\[([^\]]*)\]:\n(.*(?:\n.+)*)`)
	found := head.FindAllStringSubmatch(c.text(), -1)
	count := 0
	for _, g := range found {
		if place := creator(g[2]); !strings.HasPrefix(place, "runtime.") { // threads of its own come and go
			places[place]++
			count++
		}
	}
	var lines []string
	for place, n := range places {
		lines = append(lines, fmt.Sprintf("%5d %s", n, place))
	}
	slices.Sort(lines)
	if count < 3 {
		t.Fatalf("found %d goroutines in a dump: it is not understood\n%s", count, c.output())
	}
	return census{count, strings.Join(lines, "\n")}
}

// creator names who started a goroutine, by the last function of its stack.
func creator(stack string) string {
	for l := range strings.Lines(stack) {
		if name, found := strings.CutPrefix(l, "created by "); found {
			return strings.TrimSpace(name)
		}
	}
	first, _, _ := strings.Cut(stack, "\n")
	return first
}
