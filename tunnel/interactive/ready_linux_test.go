package interactive

import (
	"context"
	"os"
	"testing"
	"time"
)

// Sessions that wait for sockets, on which nothing comes, take no threads.
func TestQuietSocketsTakeNoThreads(t *testing.T) {
	threads := func() int {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	before := threads()
	var all []*ran
	for range 50 {
		in, _ := sockets(t)
		c := newFakeChannel()
		all = append(all, begin(ctx, t, c, Request{Command: "cat"}, Files{in, nil, nil}))
		eventually(t, "the command", func() bool { return c.has("exec") })
	}
	deadline := time.Now().Add(time.Second / 4)
	for time.Now().Before(deadline) {
		if now := threads(); now > before+25 {
			t.Fatalf("%d threads for %d sessions", now-before, len(all))
		}
	}
	cancel()
	for _, r := range all {
		r.wait()
	}
}
