package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// newDecider returns an autossh that has read its words and nothing else.
func newDecider(t *testing.T, words ...string) *autosshRun {
	t.Helper()
	c, err := autossh.Parse(append([]string{"autossh", "-M", "0", "-N"}, words...), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	o, err := config.Resolve(t.Context(), c.Request(config.Environment{Home: none, LocalUser: "me", Getenv: os.LookupEnv, UserFile: none, SystemFile: none}))
	if err != nil {
		t.Fatal(err)
	}
	log, err := front.OpenLog(c, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	a := newAutosshRun(c, log, nil, nil)
	a.runner = &runner{plan: tunnelPlan{options: o}}
	return a
}

type unanswering struct{ error }

func (unanswering) Timeout() bool { return true }

// ssh waits more than two minutes for a host that does not answer, longer than AUTOSSH_GATETIME, so that a machine that is down when
// autossh begins is tried again; and such an end comes so late that the next start is at once. Our attempt ends after 30 s and counts
// as much. Where ConnectTimeout says how long, ssh ends then, too; and what took no longer than a name server's silence is no wait
// for a host.
func TestSilentHostCountsAsItDoesForSSH(t *testing.T) {
	for name, c := range map[string]struct {
		words   []string
		took    time.Duration
		ends    bool          // at the first
		sixth   time.Duration // the wait after the sixth
		timeout bool
	}{
		"nobody answers":                   {[]string{"host"}, 30 * time.Second, false, 0, true},
		"ConnectTimeout is the gate":       {[]string{"-o", "ConnectTimeout=30", "host"}, 30 * time.Second, true, 0, true},
		"ConnectTimeout is longer":         {[]string{"-o", "ConnectTimeout=31", "host"}, 31 * time.Second, false, 2 * time.Second, true},
		"a name server does not answer":    {[]string{"host"}, 15 * time.Second, true, 0, true},
		"it is refused after a long while": {[]string{"host"}, 30 * time.Second, true, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newDecider(t, c.words...)
			synctest.Test(t, func(t *testing.T) {
				err := error(&fault.Error{Phase: fault.PhaseDial, Err: io.EOF})
				if c.timeout {
					err = &fault.Error{Phase: fault.PhaseDial, Err: unanswering{io.EOF}}
				}
				attempt := func() (time.Duration, error) {
					a.starts.Begin(-1)
					time.Sleep(c.took)
					return a.decide(monitor.Ended{Err: err})
				}
				wait, end := attempt()
				if ended := end != nil; ended != c.ends || wait != 0 {
					t.Fatalf("the first attempt ends autossh: %v, wait %v", end, wait)
				}
				for range 4 {
					if wait, end = attempt(); end == nil && wait != 0 {
						t.Errorf("a wait of %v", wait)
					}
				}
				if wait, _ = attempt(); !c.ends && wait != c.sixth {
					t.Errorf("the wait after six ends is %v, want %v", wait, c.sixth)
				}
			})
		})
	}
}

// Where nobody says how often, the server is asked for a sign of life, which ssh does not do.
func TestAutosshAsksTheServerByItself(t *testing.T) {
	if o := newDecider(t, "host").runner.plan.options; o.ServerAliveInterval != 15*time.Second || o.ServerAliveCountMax != 3 {
		t.Errorf("every %v, %d times", o.ServerAliveInterval, o.ServerAliveCountMax)
	}
	if o := newDecider(t, "-o", "ServerAliveInterval=0", "host").runner.plan.options; o.ServerAliveInterval != 0 {
		t.Errorf("every %v", o.ServerAliveInterval)
	}
}
