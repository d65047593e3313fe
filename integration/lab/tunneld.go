package lab

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// Tunneld runs the built binary in the account's environment, without the flag that names its configuration.
func (a *Account) Tunneld(words ...string) *Child {
	a.t.Helper()
	c := a.Run(Tunneld, append([]string{a.Binary()}, words...))
	a.noRaces(c)
	return c
}

// Run starts a program in the account's environment and directory.
func (a *Account) Run(p Program, words []string) *Child {
	a.t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = a.Environment()
	cmd.Dir = a.Dir
	return StartChild(a.t, string(p), cmd)
}

// Binary returns the path of tunneld.
func (a *Account) Binary() string { return a.built(tunneldBinary()) }

// PlainBinary returns the path of a tunneld without the race detector.
func (a *Account) PlainBinary() string { return a.built(PlainBinary()) }

func (a *Account) built(path string, err error) string {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return path
}

// noRaces fails the test if the race detector has spoken in c by the end.
func (a *Account) noRaces(c *Child) {
	a.t.Cleanup(func() {
		c.Kill()
		if strings.Contains(c.Text(), "WARNING: DATA RACE") {
			a.t.Errorf("the race detector spoke:\n%s", c.Output())
		}
	})
}

// What tunneld's log says of a tunnel's life.
var (
	IsUp     = func(l Line) bool { return l.Field("state") == "up" && l.Field("was") != "suspect" }
	IsLost   = Said("connection lost")
	IsFailed = Said("connecting failed")
)

// Said tells a log line with one of these messages.
func Said(messages ...string) func(Line) bool {
	return func(l Line) bool { return slices.Contains(messages, l.Field("msg")) }
}

// WaitUp waits for a session after position from.
func WaitUp(t testing.TB, c *Child, from int) Line {
	t.Helper()
	return c.WaitLine(t, from, Patience, "connected", IsUp)
}

// WaitLost waits for the end of a session after position from.
func WaitLost(t testing.TB, c *Child, from int, limit time.Duration) Line {
	t.Helper()
	return c.WaitLine(t, from, limit, "connection lost", IsLost)
}

// WaitFailed waits until attempts have failed.
func WaitFailed(t testing.TB, c *Child, attempts int) {
	t.Helper()
	Eventually(t, Patience, fmt.Sprintf("%d failed attempts", attempts), func() bool {
		if !c.Running() {
			t.Fatalf("%s has ended with %d", c.name, c.ExitCode())
		}
		return len(c.Matching(IsFailed)) >= attempts
	})
}
