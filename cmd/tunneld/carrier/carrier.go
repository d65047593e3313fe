// Package carrier is a running tunnel as others use it: the clients of its ControlPath (a mux.Tunnel), and `tunneld forward` and
// `tunneld cancel`. Both change forwards by the same rules.
package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/interactive"
	"github.com/tunneld/tunneld/tunnel/mux"
	"github.com/tunneld/tunneld/tunnel/proxy"
)

// Carrier is one. All fields are set before it is used.
type Carrier struct {
	Name     string // of the tunnel
	Tunnel   *tunnel.Tunnel
	Monitor  *monitor.Monitor
	Log      *slog.Logger
	Changing chan struct{}   // of one element, in it while forwards change: that of reloads
	Ending   <-chan struct{} // closed when the tunnel ends, which waits for its clients

	Supervised bool                              // a service manager would start the process again
	PutDown    func()                            // begins to stop the tunnel
	Describe   func(about string) (string, bool) // is Info

	awaited awaited
}

var (
	errStopping   = tunnel.ErrStopped
	errSupervised = errors.New("a service manager runs this tunneld; stop it there, or with `tunneld down`")
)

// change calls f while nothing else changes forwards. A reload may take long, since it reads files and looks up names: whoever
// is gone, or has a tunnel that ends, does not wait for it.
func (c *Carrier) change(ctx context.Context, f func() error) error {
	select {
	case c.Changing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.Ending:
		return errStopping
	}
	defer func() { <-c.Changing }()
	return f()
}

// Open opens a channel, if need be after an outage. Whoever is refused in one learns where it is said why: such as that a key
// needs a passphrase, and nobody can be asked where tunneld is.
func (c *Carrier) Open(ctx context.Context, kind string, payload []byte) (interactive.Channel, error) {
	ch, err := c.Tunnel.OpenFor(ctx, kind, payload)
	if errors.Is(err, proxy.ErrUnavailable) {
		err = fmt.Errorf("%w; `tunneld status %s` says why", err, c.Name)
	}
	return ch, err
}

// Forward adds a forward to those of the configuration. One of these is granted at once, because a stock client asks for each
// that its alias has before it asks for a session; any other when it listens.
func (c *Carrier) Forward(ctx context.Context, f config.Forward) (port int, err error) {
	if (f.Listen.Port != 0 || f.Listen.IsUnix()) && c.Tunnel.Configures(f) {
		return f.Listen.Port, nil
	}
	port, _, err = c.forward(ctx, f)
	return port, err
}

// Cancel takes away a forward that Forward has added.
func (c *Carrier) Cancel(ctx context.Context, f config.Forward) error {
	err := c.remove(ctx, f)
	switch {
	case errors.Is(err, tunnel.ErrNotForwarded):
		return mux.ErrNotForwarded
	case errors.Is(err, tunnel.ErrConfigured):
		return mux.ErrConfigured
	}
	return err
}

// Admit takes descriptors from what the process may have open.
func (c *Carrier) Admit(descriptors int) (release func(), ok bool) {
	return c.Tunnel.Admit(descriptors)
}

// Terminate stops the tunnel as `tunneld down` does.
func (c *Carrier) Terminate() error {
	if c.Supervised {
		return errSupervised
	}
	c.PutDown()
	return nil
}

// ForwardsAgent reports whether the configuration allows it.
func (c *Carrier) ForwardsAgent() bool { return c.Tunnel.ForwardsAgent() }

// Info words what `ssh -O conninfo` and `ssh -O channels` show.
func (c *Carrier) Info(about string) (string, bool) { return c.Describe(about) }
