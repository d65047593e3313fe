package updown

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
)

// fake is a tunnel whose commands note what happens, and wait for as long as a file is there.
type fake struct {
	t      *testing.T
	dir    string
	mu     sync.Mutex
	state  monitor.State
	onDown string
}

func newFake(t *testing.T) *fake { return &fake{t: t, dir: t.TempDir(), state: monitor.Connecting} }

func (f *fake) path(name string) string { return filepath.Join(f.dir, name) }

func (f *fake) State() monitor.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fake) Options() *config.Options {
	note := "echo $TUNNELD_EVENT-$TUNNELD_STATE-$TUNNELD_NAME-$TUNNELD_ALIAS >> " + f.path("events")
	wait := "; while test -e " + f.path("slow") + "; do sleep 0.02; done"
	return &config.Options{Alias: "alias", OnUp: note + wait, OnDown: note + wait + f.onDown}
}

func (f *fake) enter(c *Commands, states ...monitor.State) {
	for _, s := range states {
		f.mu.Lock()
		f.state = s
		f.mu.Unlock()
		c.Look()
	}
}

func (f *fake) events() []string {
	text, _ := os.ReadFile(f.path("events"))
	return strings.Fields(string(text))
}

func (f *fake) await(want ...string) {
	f.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := f.events()
		if slices.Equal(got, want) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("ran %q, want %q", got, want)
		}
	}
}

func (f *fake) slow(on bool) {
	if on {
		os.WriteFile(f.path("slow"), nil, 0o600)
	} else {
		os.Remove(f.path("slow"))
	}
}

var quiet = slog.New(slog.DiscardHandler)

// What happens while a command runs is told after it, without what has been overtaken meanwhile; the last word is how it is.
func TestCommandsRunInOrder(t *testing.T) {
	f := newFake(t)
	c := New(f, "db", "", quiet, nil)
	f.slow(true)
	f.enter(c, monitor.Connecting, monitor.Up, monitor.Suspect, monitor.Up)
	f.await("up-up-db-alias")
	for range 7 {
		f.enter(c, monitor.Waiting, monitor.Connecting, monitor.Up)
	}
	f.enter(c, monitor.Waiting)
	f.slow(false)
	f.await("up-up-db-alias", "down-waiting-db-alias")
	f.enter(c, monitor.Up)
	f.enter(c, monitor.Stopped)
	c.End()
	f.await("up-up-db-alias", "down-waiting-db-alias", "up-up-db-alias", "down-stopped-db-alias")
	c.Look()
}

// A tunnel that begins while one of its name still ends is told of after that.
func TestCommandsOfTheNextTunnelComeAfterThoseOfTheLast(t *testing.T) {
	f := newFake(t)
	last := New(f, "last", "", quiet, nil)
	next := New(f, "next", "", quiet, last)
	f.enter(last, monitor.Up)
	f.await("up-up-last-alias")
	f.slow(true)
	f.enter(last, monitor.Stopped)
	f.await("up-up-last-alias", "down-stopped-last-alias")
	f.enter(next, monitor.Up)
	f.slow(false)
	f.mu.Lock()
	f.state = monitor.Stopped
	f.mu.Unlock()
	last.End()
	f.await("up-up-last-alias", "down-stopped-last-alias", "up-up-next-alias")
	next.End()
}

// A reload that took a tunnel away and the next that brought it back: TunneldOnUp waited until the open connections of before had
// ended, for as long as TunneldDrain.
func TestCommandsOfTheNextTunnelDoNotWaitForOpenConnections(t *testing.T) {
	f, g := newFake(t), newFake(t)
	last := New(f, "last", "", quiet, nil)
	next := New(g, "next", "", quiet, last)
	f.enter(last, monitor.Up, monitor.Stopped)
	f.await("up-up-last-alias", "down-stopped-last-alias")
	g.enter(next, monitor.Up)
	g.await("up-up-next-alias")
	last.End()
	g.enter(next, monitor.Failed)
	next.End()
	g.await("up-up-next-alias", "down-failed-next-alias")
}

// Cut kills what runs, and what has not begun never does.
func TestCutKillsWhatRuns(t *testing.T) {
	f := newFake(t)
	f.onDown = "; sleep 1000"
	c := New(f, "db", "", quiet, nil)
	f.enter(c, monitor.Up, monitor.Waiting)
	f.await("up-up-db-alias", "down-waiting-db-alias")
	f.enter(c, monitor.Up)
	began := time.Now()
	c.Cut()
	c.End()
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the end took %v", took)
	}
	if got := f.events(); len(got) != 2 {
		t.Errorf("ran %q", got)
	}
}
