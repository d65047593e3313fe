// Package updown runs TunneldOnUp and TunneldOnDown of one tunnel, one after the other in the order of what happened. Nothing waits
// for them but the end of the tunnel: a command that hangs delays those that follow, for as long as it may run, and no connection.
package updown

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/hook"
)

// Tunnel is what the commands tell of: a *monitor.Monitor.
type Tunnel interface {
	State() monitor.State
	Options() *config.Options
}

// Commands are those of one tunnel. Its methods may be called from any goroutine.
type Commands struct {
	tunnel Tunnel
	name   string
	shell  string
	log    *slog.Logger
	after  <-chan struct{} // closed when the first may run; nil: at once
	ended  chan struct{}   // closed when none follows any more; see endLocked
	ending sync.Once       // closes ended
	ctx    context.Context // of all that run
	cut    context.CancelFunc

	mu      sync.Mutex // guards all following fields
	up      bool
	over    bool          // the tunnel does not come up any more, though open connections may go on
	pending []event       // at most two: what has been overtaken is left out
	idle    chan struct{} // closed when nothing runs or waits any more; nil: nothing does
}

// event is that the tunnel has come up, or is down.
type event struct {
	up    bool
	state monitor.State
	o     *config.Options
}

// New returns the Commands of a tunnel that is down. They run by shell (empty: /bin/sh) once those of before, of which nil means none,
// have ended.
func New(t Tunnel, name, shell string, log *slog.Logger, before *Commands) *Commands {
	c := &Commands{tunnel: t, name: name, shell: shell, log: log, ended: make(chan struct{})}
	c.ctx, c.cut = context.WithCancel(context.Background())
	if before != nil {
		c.after = before.ended
	}
	return c
}

// Look finds out whether the tunnel has come up or gone down. It is called after each change of its state, and does not wait.
// Replacing a connection is neither: new connections of clients are carried all the time.
func (c *Commands) Look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.endLocked()
	state := c.tunnel.State() // under the lock, so that nobody notes an older one later
	c.over = state == monitor.Stopped || state == monitor.Failed
	if state.Carries() == c.up {
		return
	}
	c.up = state.Carries()
	e := event{c.up, state, c.tunnel.Options()}
	switch {
	case e.command("", nil, "").Text == "" && len(c.pending) == 0:
		return
	case len(c.pending) == 2: // of three that wait, such as down, up and down, the last says it all
		c.pending = nil
	}
	c.pending = append(c.pending, e)
	if c.idle == nil {
		c.idle = make(chan struct{})
		go c.work()
	}
}

// work runs what waits, until nothing does.
func (c *Commands) work() {
	if c.after != nil {
		select {
		case <-c.after:
		case <-c.ctx.Done():
		}
	}
	for {
		c.mu.Lock()
		if len(c.pending) == 0 || c.ctx.Err() != nil {
			close(c.idle)
			c.pending, c.idle = nil, nil
			c.endLocked()
			c.mu.Unlock()
			return
		}
		e := c.pending[0]
		c.pending = c.pending[1:]
		c.mu.Unlock()
		c.run(e)
	}
}

func (c *Commands) run(e event) {
	command := e.command(c.name, c.log, c.shell)
	if command.Text == "" {
		return
	}
	begun := time.Now()
	err := command.Run(c.ctx)
	switch {
	case err == nil:
		c.log.Debug("command ended", "keyword", command.Keyword, "took", monitor.Round(time.Since(begun)))
	case c.ctx.Err() == nil:
		c.log.Warn("command failed", "err", err)
	}
}

// command returns what runs for the event; its text is empty where nothing does.
func (e event) command(name string, log *slog.Logger, shell string) hook.Command {
	word, keyword, text := "down", "TunneldOnDown", e.o.OnDown
	if e.up {
		word, keyword, text = "up", "TunneldOnUp", e.o.OnUp
	}
	return hook.Command{
		Keyword: keyword, Text: text, Shell: shell, Log: log,
		Environ: append(hook.Environ(word, name, e.o), "TUNNELD_STATE="+string(e.state)),
	}
}

// endLocked has those of the next tunnel run where none of this one follows. The next may have come up long before the open
// connections of this one have ended.
func (c *Commands) endLocked() {
	if c.over && c.idle == nil {
		c.ending.Do(func() { close(c.ended) })
	}
}

// End is called when the tunnel has ended. It waits until all commands have.
func (c *Commands) End() {
	c.Look()
	c.wait(nil)
	c.ending.Do(func() { close(c.ended) })
	c.cut()
}

// cutTime is how long Cut waits for a command that is being killed.
const cutTime = time.Second

// Cut kills the command that runs, and none runs after it: the process ends at once.
func (c *Commands) Cut() {
	c.cut()
	late := time.NewTimer(cutTime)
	defer late.Stop()
	c.wait(late.C)
}

func (c *Commands) wait(late <-chan time.Time) {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-late:
	}
}
