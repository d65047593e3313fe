package carrier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel"
)

// forwardTime is how long a client waits for the server to say whether it listens. In an outage it is TunneldHold.
const forwardTime = 30 * time.Second

var (
	errNoAnswer = errors.New("the server has not answered; nobody asks for it any more")
	errNobody   = errors.New("the tunnel is down, and did not come back in time; nobody asks for it any more")
)

// Granted is a forward that listens.
type Granted struct {
	Port  int      // that the server chose; 0: it had no choice
	Bound []string // addresses
	Did   string   // what has become of it, for a person
}

// Add adds a forward to those of the configuration and waits until it listens. One that is there already is no error; it is
// one where it does not listen, and then stays as it is. Every error is an *exit.Error that names the forward.
func (c *Carrier) Add(ctx context.Context, f config.Forward) (Granted, error) {
	port, added, err := c.forward(ctx, f)
	if err != nil {
		return Granted{}, c.trouble(f, err)
	}
	g := Granted{Did: "listens"}
	switch {
	case !added && c.Tunnel.Configures(f):
		g.Did = "is in the configuration, and listens"
	case !added:
		g.Did = "was added before, and listens"
	}
	if f.Listen.Port == 0 && !f.Listen.IsUnix() {
		g.Port = port
	}
	for _, s := range c.Tunnel.Forwards() {
		if s.Kind.Option()+" "+s.Spec == tunnel.Spec(f) {
			g.Bound = s.Bound
		}
	}
	if len(g.Bound) > 0 {
		g.Did += " on " + strings.Join(g.Bound, " ")
	}
	return g, nil
}

// Remove takes away a forward that was added. Every error is an *exit.Error that names the forward.
func (c *Carrier) Remove(ctx context.Context, f config.Forward) error {
	if err := c.remove(ctx, f); err != nil {
		return c.trouble(f, err)
	}
	return nil
}

// forward adds a forward and waits until it listens. One at the server is waited for in an outage as long as a client is held;
// where it is refused, nobody asks for it again, unless somebody else still waits for it. added is false where the tunnel has it
// already: then it stays as it is.
func (c *Carrier) forward(ctx context.Context, f config.Forward) (port int, added bool, err error) {
	lasting := context.WithoutCancel(ctx) // it outlives the client
	var w *wait
	err = c.change(ctx, func() (err error) {
		if added, err = c.Tunnel.AddForward(lasting, f); err == nil {
			w = c.awaited.join(f, added)
		}
		return err
	})
	if err != nil {
		return 0, false, err
	}
	waiting, cancel := c.awaiting(ctx, w)
	defer cancel()
	port, err = c.Tunnel.AwaitForward(waiting, f)
	if err == nil {
		if c.awaited.granted(w) {
			c.Log.Info("forward added", "forward", tunnel.Spec(f))
		}
		return port, added, nil
	}
	failed := c.change(lasting, func() error {
		if !c.awaited.leave(w) {
			return nil
		}
		return c.Tunnel.RemoveForward(lasting, f)
	})
	if failed != nil {
		c.Log.Debug("forward not taken back", "forward", tunnel.Spec(f), "err", failed)
	}
	return 0, added, err
}

// awaiting bounds the wait for a server.
func (c *Carrier) awaiting(ctx context.Context, w *wait) (context.Context, context.CancelFunc) {
	limit, late := forwardTime, errNoAnswer
	if !c.Monitor.Status().State.Carries() {
		limit, late = c.Tunnel.HoldTime(), errNobody
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-c.Ending:
			end(errStopping)
		case <-w.removed:
			end(tunnel.ErrNotForwarded)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { end(nil); cancel() }
}

// remove takes away a forward that forward has added.
func (c *Carrier) remove(ctx context.Context, f config.Forward) error {
	err := c.change(ctx, func() error {
		err := c.Tunnel.RemoveForward(context.WithoutCancel(ctx), f)
		if err == nil {
			c.awaited.remove(f)
		}
		return err
	})
	if err == nil {
		c.Log.Info("forward taken away", "forward", tunnel.Spec(f))
	}
	return err
}

// trouble says which forward it is, and what can be done about it.
func (c *Carrier) trouble(f config.Forward, err error) error {
	e := &exit.Error{Code: exit.Code(err), Err: err, Hint: exit.HintOf(err)}
	switch {
	case errors.Is(err, errNobody):
		e.Hint = fmt.Sprintf("`tunneld status %s` says why; a RemoteForward of the configuration is asked for until it is granted", c.Name)
	case errors.Is(err, tunnel.ErrConfigured):
		e.Hint = fmt.Sprintf("take it out of ssh_config, or off the command line, and `tunneld reload %s`", c.Name)
	case errors.Is(err, tunnel.ErrNotForwarded):
		e.Hint = c.added()
	}
	if spec := tunnel.Spec(f); !strings.Contains(err.Error(), spec) {
		e.Err = fmt.Errorf("%s: %w", spec, err)
	}
	return e
}

// mostNamed is how many forwards are named in a hint.
const mostNamed = 8

// added says which forwards were.
func (c *Carrier) added() string {
	var list []string
	for _, f := range c.Tunnel.Forwards() {
		if f.Added {
			list = append(list, f.Kind.Option()+" "+f.Spec)
		}
	}
	switch n := len(list); {
	case n == 0:
		return "none has been added; those of the configuration are changed there"
	case n > mostNamed:
		list = append(list[:mostNamed], fmt.Sprintf("and %d more", n-mostNamed))
	}
	return "added were " + strings.Join(list, ", ")
}
