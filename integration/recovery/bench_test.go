package recovery

import (
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	benchCuts   = 6                    // autossh 1.4g begins to wait at the sixth in a row
	callEvery   = 5 * time.Millisecond // between two new connections of a caller
	callLimit   = 45 * time.Second     // for one connection to be served
	callsAtOnce = 50
	benchPause  = time.Second // between all being back and the next cut
)

// The claims of docs/autossh.md about cuts that autossh and ssh live through at the same time, through the same relay to the
// same server. TUNNELD_BENCH_RECOVERY=1 (make bench-recovery) holds tunneld to them; in an ordinary run, where the machine
// is busy with other tests, it only has to be faster, and to refuse nobody.
func TestComesBackFasterThanAutossh(t *testing.T) {
	strict := os.Getenv("TUNNELD_BENCH_RECOVERY") != ""
	var hold []string
	if !strict {
		t.Parallel()
		hold = []string{"-o", "TunneldHold=40s"}
	}
	l := lab.New(t)
	echoes := lab.StartTarget(t, lab.Echo).Address()
	ours, theirs := lab.LocalRoute(t, echoes), lab.LocalRoute(t, echoes)
	rival := l.Open(lab.Autossh, []lab.Route{theirs})
	c := l.Open(lab.Tunneld, []lab.Route{ours}, hold...)
	mine, other := startCaller(t, ours), startCaller(t, theirs)

	var table strings.Builder
	fmt.Fprintf(&table, "\ncut      tunneld   autossh + ssh   ratio\n")
	var cuts []span
	var ratios []float64
	for n := 1; n <= benchCuts; n++ {
		lab.Never(t, benchPause, "a program has ended", func() bool { return !c.Running() || !rival.Running() })
		cut := time.Now()
		l.Relay.Cut()
		cuts = append(cuts, span{cut, time.Now()})
		us, them := mine.back(t, cut), other.back(t, cut)
		ratios = append(ratios, us.Seconds()/them.Seconds())
		fmt.Fprintf(&table, "%3d %9d ms %12d ms   %5.3f\n", n, us.Milliseconds(), them.Milliseconds(), ratios[n-1])
	}
	mine.stop()
	other.stop()
	us, examples := mine.refused(cuts)
	them, _ := other.refused(cuts)
	fmt.Fprintf(&table, "connections refused: tunneld %d of %d, autossh + ssh %d of %d\n", us, len(mine.calls), them, len(other.calls))
	first, last := lab.Median(ratios[:benchCuts-1]), ratios[benchCuts-1]
	fmt.Fprintf(&table, "ratio: %.3f at cuts 1 to %d (median), %.3f at cut %d\n", first, benchCuts-1, last, benchCuts)
	t.Log(table.String())
	if strict && (first > 0.4 || last > 0.05) {
		t.Errorf("back after %.3f and %.3f of autossh's time, want at most 0.4 and 0.05", first, last)
	}
	if us > 0 {
		t.Errorf("tunneld refused %d connections, want 0: %v", us, examples)
	}
	if them < 100 {
		t.Errorf("autossh refused %d connections: the cuts did not reach it", them)
	}
}

// caller makes a new connection every callEvery, whatever becomes of those before, and uses each once. No more than callsAtOnce
// are on their way: a busy machine that falls behind would have more and more of them to do.
type caller struct {
	route    lab.Route
	quit     chan struct{}
	quitting sync.Once
	calling  sync.WaitGroup

	mu    sync.Mutex // guards calls
	calls []call
}

// span is the time from begun to done.
type span struct{ begun, done time.Time }

func (s span) overlaps(other span) bool {
	return !s.done.Before(other.begun) && !other.done.Before(s.begun)
}

// call is one connection; its err is nil where it was served.
type call struct {
	span
	err error
}

func startCaller(t testing.TB, r lab.Route) *caller {
	c := &caller{route: r, quit: make(chan struct{})}
	c.calling.Go(c.run)
	t.Cleanup(c.stop)
	return c
}

func (c *caller) run() {
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	room := make(chan struct{}, callsAtOnce)
	for {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		select {
		case <-c.quit:
			return
		case room <- struct{}{}:
			c.calling.Go(func() {
				defer func() { <-room }()
				begun := time.Now()
				err := c.route.Works(callLimit)
				c.mu.Lock()
				defer c.mu.Unlock()
				c.calls = append(c.calls, call{span{begun, time.Now()}, err})
			})
		}
	}
}

// back waits until a connection begun after the cut has been served, and returns the time since the cut.
func (c *caller) back(t testing.TB, cut time.Time) (took time.Duration) {
	t.Helper()
	lab.Eventually(t, 2*callLimit, c.route.Address+" is back", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, a := range c.calls {
			if a.err == nil && a.begun.After(cut) && (took == 0 || a.done.Sub(cut) < took) {
				took = a.done.Sub(cut)
			}
		}
		return took > 0
	})
	return took
}

// stop ends the calls and waits for those under way. It may be called twice.
func (c *caller) stop() {
	c.quitting.Do(func() { close(c.quit) })
	c.calling.Wait()
}

// refused counts the connections that nobody let in, or that ended without an answer. A cut breaks those that are open:
// which no tunnel can mend.
func (c *caller) refused(cuts []span) (count int, examples []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.calls {
		var op *net.OpError
		atTheDoor := errors.As(a.err, &op) && op.Op == "dial"
		broken := slices.ContainsFunc(cuts, a.overlaps)
		if a.err != nil && (atTheDoor || !broken) {
			count++
			examples = append(examples, a.err)
		}
	}
	return count, examples[:min(3, len(examples))]
}
