// Package order is how the forwards that `tunneld forward` and `tunneld cancel` are about go over the control socket: read here
// as they were typed, and there as they arrive.
package order

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/tunneld/tunneld/config"
)

// Forward is one of them.
type Forward struct {
	Kind   string `json:"kind"` // L, R or D
	Listen End    `json:"listen"`
	Target End    `json:"target,omitzero"` // left out where the client says it
}

// End is one end of it.
type End struct {
	Host *string `json:"host,omitempty"` // left out where none was written
	Port int     `json:"port,omitempty"`
	Path string  `json:"path,omitempty"` // of a Unix socket, in place of both
}

// Typed reads forwards as ssh does: flags are -L, -R and -D alone, for the tunnel to that alias. Paths of this machine become
// absolute, since the process that gets them runs in a directory of its own.
func Typed(ctx context.Context, environment config.Environment, alias string, flags []config.Flag) ([]Forward, error) {
	o, err := config.Resolve(ctx, config.Request{
		Destination: alias, Flags: append([]config.Flag{{Letter: 'F', Value: "none"}}, flags...), Environment: environment,
	})
	if err != nil {
		return nil, err
	}
	var orders []Forward
	for _, f := range o.Forwards {
		if err := makeAbsolute(&f); err != nil {
			return nil, err
		}
		orders = append(orders, Forward{string(rune(f.Kind)), newEnd(f.Listen), newEnd(f.Target)})
	}
	return orders, nil
}

func makeAbsolute(f *config.Forward) (err error) {
	here := &f.Listen
	if f.Kind == config.Remote {
		here = &f.Target
	}
	if here.IsUnix() {
		here.Path, err = filepath.Abs(here.Path)
	}
	return err
}

func newEnd(e config.Endpoint) End {
	end := End{Port: e.Port, Path: e.Path}
	if e.HostSet {
		end.Host = &e.Host
	}
	return end
}

// The bounds of what is read.
const (
	maxForwards = 256
	maxText     = 1 << 20 // bytes
)

// Read reads forwards as they arrive, in JSON.
func Read(body io.Reader) ([]config.Forward, error) {
	text, err := io.ReadAll(io.LimitReader(body, maxText)) // to the end: only then does the server see its client leave
	if err != nil {
		return nil, err
	}
	var orders []Forward
	if err := json.Unmarshal(text, &orders); err != nil {
		return nil, fmt.Errorf("forwards not understood: %w", err)
	}
	if len(orders) == 0 || len(orders) > maxForwards {
		return nil, fmt.Errorf("want 1 to %d forwards", maxForwards)
	}
	var forwards []config.Forward
	for i, o := range orders {
		f, ok := o.forward()
		if !ok {
			return nil, fmt.Errorf("forward %d of %d is none", i+1, len(orders))
		}
		forwards = append(forwards, f)
	}
	return forwards, nil
}

// forward returns what is ordered, and whether there is such a forward.
func (o Forward) forward() (f config.Forward, ok bool) {
	f = config.Forward{Listen: o.Listen.endpoint(), Target: o.Target.endpoint()}
	if len(o.Kind) == 1 {
		f.Kind = config.Kind(o.Kind[0])
	}
	reaches := f.Target.IsUnix() || f.Target.Host != "" && isPort(f.Target, 1)
	switch f.Kind {
	case config.Local:
		return f, reaches && (f.Listen.IsUnix() || isPort(f.Listen, 1))
	case config.Remote:
		return f, (reaches || f.IsSOCKS()) && (f.Listen.IsUnix() || isPort(f.Listen, 0))
	case config.Dynamic:
		return f, f.IsSOCKS() && (f.Listen.IsUnix() || isPort(f.Listen, 1))
	}
	return f, false
}

func isPort(e config.Endpoint, least int) bool { return e.Port >= least && e.Port <= 65535 }

func (e End) endpoint() config.Endpoint {
	if e.Path != "" {
		return config.Endpoint{Path: e.Path}
	}
	end := config.Endpoint{Port: e.Port, HostSet: e.Host != nil}
	if e.Host != nil {
		end.Host = *e.Host
	}
	return end
}
