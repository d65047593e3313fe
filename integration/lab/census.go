package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// census is how many goroutines a process has when nothing is under way, and which: how many were started where.
type census struct {
	count   int
	summary string
}

const (
	censusSlack = 3               // Goroutines that a process which has seen much may have more than a fresh one
	censusTime  = 2 * time.Second // how long a fresh process is looked at
)

// Goroutines takes the census of a fresh process, and ends it. A probe may be under way at any moment, and takes its time on
// a busy machine: the least of many looks counts.
func Goroutines(t testing.TB, c *Child) census {
	t.Helper()
	Settled(c)
	least := c.goroutines(t)
	Within(censusTime, func() bool { least = min(least, c.goroutines(t)); return false })
	return census{least, dump(t, c)}
}

// Compare fails the test where c does not come down to the number of a fresh process, and ends c. What is only under way, such
// as a probe, ends; what has leaked stays.
func (before census) Compare(t testing.TB, c *Child) {
	t.Helper()
	least := c.goroutines(t)
	if Within(Patience, func() bool { least = min(least, c.goroutines(t)); return least <= before.count+censusSlack }) {
		c.Signal(syscall.SIGKILL)
		c.WaitExit(t, Patience)
		return
	}
	t.Errorf("%d goroutines, %d in a fresh process\nnow:\n%s\nfresh:\n%s", least, before.count, dump(t, c), before.summary)
}

// Goroutines asks a running tunneld how many goroutines it has. Those that serve the question are among them.
func (c *Child) goroutines(t testing.TB) int {
	t.Helper()
	answer, err := c.asks().Get("http://tunneld/metrics")
	if err != nil {
		t.Fatalf("%s does not say how many goroutines it has: %v", c.name, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(line, "go_goroutines "); found {
			count, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil {
				t.Fatal(err)
			}
			return count
		}
	}
	t.Fatalf("%s does not say how many goroutines it has", c.name)
	return 0
}

// asks returns a client of the program's control socket, with a connection for each question.
func (c *Child) asks() *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var found []string
		for _, setting := range c.cmd.Env {
			if dir, ok := strings.CutPrefix(setting, "TUNNELD_RUNTIME_DIR="); ok {
				found, _ = filepath.Glob(filepath.Join(dir, "*.sock"))
			}
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("%d control sockets: %q", len(found), found)
		}
		return new(net.Dialer).DialContext(ctx, "unix", found[0])
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: Patience}
}

// Settled waits until the number of descriptors stands still.
func Settled(c *Child) (int, map[string]int) {
	last, since := -1, time.Now()
	Within(Patience, func() bool {
		if n, _ := Descriptors(c.Pid()); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
	return Descriptors(c.Pid())
}

// dump ends the program with SIGABRT, which makes the Go runtime print all goroutines, and tells how many were started where.
func dump(t testing.TB, c *Child) string {
	t.Helper()
	c.Signal(syscall.SIGABRT)
	c.WaitExit(t, Patience)
	places := make(map[string]int)
	head := regexp.MustCompile(`(?m)^goroutine \d+ .*\[([^\]]*)\]:\n(.*(?:\n.+)*)`)
	for _, g := range head.FindAllStringSubmatch(c.Text(), -1) {
		if place := creator(g[2]); !strings.HasPrefix(place, "runtime.") { // threads of its own come and go
			places[place]++
		}
	}
	var lines []string
	for place, n := range places {
		lines = append(lines, fmt.Sprintf("%5d %s", n, place))
	}
	slices.Sort(lines)
	if len(lines) < 3 {
		t.Fatalf("found goroutines of %d kinds in a dump: it is not understood\n%s", len(lines), c.Output())
	}
	return strings.Join(lines, "\n")
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
