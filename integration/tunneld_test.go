package integration

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// tunneld runs the built binary in the account's environment, without the flag that names its configuration.
func (a *account) tunneld(words ...string) *child {
	a.t.Helper()
	c := a.run(tunneld, append([]string{a.binary()}, words...))
	a.noRaces(c)
	return c
}

// run starts a program in the account's environment and directory.
func (a *account) run(p program, words []string) *child {
	a.t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = a.environment()
	cmd.Dir = a.dir
	return startChild(a.t, string(p), cmd)
}

// binary gives the path of tunneld.
func (a *account) binary() string { return a.built(tunneldBinary()) }

// plainBinary gives the path of a tunneld without the race detector.
func (a *account) plainBinary() string { return a.built(plainBinary()) }

func (a *account) built(path string, err error) string {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return path
}

// noRaces fails the test if the race detector has spoken in c by the end.
func (a *account) noRaces(c *child) {
	a.t.Cleanup(func() {
		c.kill()
		if strings.Contains(c.text(), "WARNING: DATA RACE") {
			a.t.Errorf("the race detector spoke:\n%s", c.output())
		}
	})
}

// What tunneld's log says of a tunnel's life.
var (
	isUp     = func(l line) bool { return l.field("state") == "up" && l.field("was") != "suspect" }
	isLost   = said("connection lost")
	isFailed = said("connecting failed")
)

// said tells a log line with one of these messages.
func said(messages ...string) func(line) bool {
	return func(l line) bool { return slices.Contains(messages, l.field("msg")) }
}

// waitUp waits for a session after position from.
func waitUp(t testing.TB, c *child, from int) line {
	t.Helper()
	return c.waitLine(t, from, patience, "connected", isUp)
}

// waitLost waits for the end of a session after position from.
func waitLost(t testing.TB, c *child, from int, limit time.Duration) line {
	t.Helper()
	return c.waitLine(t, from, limit, "connection lost", isLost)
}

// waitFailed waits until attempts have failed.
func waitFailed(t testing.TB, c *child, attempts int) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("%d failed attempts", attempts), func() bool {
		if !c.running() {
			t.Fatalf("%s has ended with %d", c.name, c.exitCode())
		}
		return len(c.matching(isFailed)) >= attempts
	})
}
