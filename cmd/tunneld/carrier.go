package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/mux"
)

// forwardTime is how long a client waits for the server to listen, which it cannot in an outage.
const forwardTime = 30 * time.Second

var errNoAnswer = errors.New("the server has not answered")

// carrier is a tunnel as the clients of its ControlPath see it: a mux.Tunnel.
type carrier struct {
	runner     *runner
	changing   chan struct{}   // that of reloads: forwards change one at a time
	ending     <-chan struct{} // closed when the tunnel ends, which waits for its clients
	supervised bool            // a service manager would start the process again
	putDown    func()          // begins to stop the tunnel
}

// change calls f while nothing else changes forwards. A reload may take long, since it reads files and looks up names: whoever
// is gone, or has a tunnel that ends, does not wait for it.
func (c *carrier) change(ctx context.Context, f func() error) error {
	select {
	case c.changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ending:
		return errBeingStopped
	}
	defer func() { <-c.changing }()
	return f()
}

// Open opens a channel, if need be after an outage.
func (c *carrier) Open(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	return c.runner.tunnel.OpenFor(ctx, kind, payload)
}

// Forward adds a forward to those of the configuration. One at the server is waited for as long as a client is held; where
// it is refused, nobody asks for it again.
func (c *carrier) Forward(ctx context.Context, f config.Forward) (port int, err error) {
	t := c.runner.tunnel
	added, lasting := false, context.WithoutCancel(ctx) // it outlives the client
	err = c.change(ctx, func() (err error) {
		added, err = t.AddForward(lasting, f)
		return err
	})
	if err != nil {
		return 0, err
	}
	if !added && f.Listen.Port != 0 {
		return f.Listen.Port, nil
	}
	waiting, cancel := context.WithTimeoutCause(ctx, forwardTime, errNoAnswer)
	defer cancel()
	port, err = t.AwaitForward(waiting, f)
	switch {
	case err != nil && !added:
		return 0, err
	case err != nil:
		return 0, errors.Join(err, c.change(lasting, func() error { return t.RemoveForward(lasting, f) }))
	case added:
		c.runner.log.Info("forward added", "forward", tunnel.Spec(f))
	}
	return port, nil
}

// Cancel takes away a forward that Forward has added.
func (c *carrier) Cancel(ctx context.Context, f config.Forward) error {
	err := c.change(ctx, func() error { return c.runner.tunnel.RemoveForward(context.WithoutCancel(ctx), f) })
	switch {
	case errors.Is(err, tunnel.ErrNotForwarded):
		return mux.ErrNotForwarded
	case errors.Is(err, tunnel.ErrConfigured):
		return mux.ErrConfigured
	case err == nil:
		c.runner.log.Info("forward taken away", "forward", tunnel.Spec(f))
	}
	return err
}

// Terminate stops the tunnel as `tunneld down` does.
func (c *carrier) Terminate() error {
	if c.supervised {
		return errSupervised
	}
	c.runner.log.Info("stopping", "why", "a client of the ControlPath asked for it (ssh -O exit)")
	c.putDown()
	return nil
}

// ForwardsAgent reports whether the configuration allows it.
func (c *carrier) ForwardsAgent() bool { return c.runner.tunnel.ForwardsAgent() }

// Info words what `ssh -O conninfo` and `ssh -O channels` show.
func (c *carrier) Info(about string) (string, bool) {
	say, known := map[string]func(*runner) string{"connection": connectionInfo, "channels": channelsInfo}[about]
	if !known {
		return "", false
	}
	return say(c.runner), true
}

// carrierOf returns r as the clients of its ControlPath see it. running ends with r.
func (p *process) carrierOf(running context.Context, r *runner) *carrier {
	return &carrier{
		runner: r, changing: p.reloading, ending: running.Done(), supervised: os.Getenv("NOTIFY_SOCKET") != "",
		putDown: func() { p.tasks.Go(func() { p.putDown(context.WithoutCancel(running), r) }) },
	}
}
