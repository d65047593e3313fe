// Package mux is the master's side of OpenSSH's multiplexing protocol: it listens on a ControlPath, so that ssh, scp, sftp,
// git, rsync and all others that start an ssh ride on a connection that is there already.
//
// It reaches the connection through Tunnel and knows nothing of outages: a tunnel that is down lets Open wait. What is said
// in OpenSSH's PROTOCOL.mux lags behind its mux.c; where the two differ, and where clients rely on neither, the
// comments say so.
//
// Where it departs from OpenSSH's master, on purpose:
//   - what the client sends of its environment is passed on, where OpenSSH's passes what its own SendEnv names: the client has
//     chosen already, and the server's AcceptEnv still decides;
//   - a forward of the configuration is not closed by `ssh -O cancel`, which sends every forward of the client's own
//     configuration along with the one that it was asked for;
//   - a client in proxy mode gets no agent, where OpenSSH's lends it the master's: it cannot have its own that way;
//   - a client that stalls holds up nobody else;
//   - descriptors that clients pass are never made non-blocking: they are shared with the shell that the client came from.
package mux

import (
	"context"
	"errors"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// Tunnel is what a master needs of the tunnel that carries its clients. Its methods are called from many goroutines.
type Tunnel interface {
	// Open asks the server for a channel of that kind. While no connection is up it waits as any other client of the
	// tunnel does; it returns when ctx is done. A refusal by the server is an *ssh.OpenChannelError. The caller closes the
	// channel.
	Open(ctx context.Context, kind string, payload []byte) (interactive.Channel, error)

	// Forward adds a forward that lives as long as the tunnel, and returns the port it listens on. One that is equal to
	// another of the tunnel is that one, and no error. It returns when the forward listens, or cannot.
	Forward(ctx context.Context, f config.Forward) (port int, err error)

	// Cancel takes away a forward that Forward has added: ErrNotForwarded where there is none, ErrConfigured where it is
	// one of the configuration.
	Cancel(ctx context.Context, f config.Forward) error

	// Admit takes so many descriptors from what the process may have open, until release is called, once. It is false where
	// none are left to spare.
	Admit(descriptors int) (release func(), ok bool)

	// Terminate begins to stop the tunnel, as `tunneld down` does, and does not wait for that. The error says why it does not.
	Terminate() error

	// ForwardsAgent reports whether the server may have a way to the user's agent (ForwardAgent), where a client asks for it.
	ForwardsAgent() bool

	// Info describes what people ask for with `ssh -O`: "connection" or "channels". It is false for anything else.
	Info(about string) (text string, ok bool)
}

var (
	// ErrNotForwarded is Cancel's where there is no such forward.
	ErrNotForwarded = errors.New("port not forwarded")

	// ErrConfigured is Cancel's for a forward that stands in the configuration.
	ErrConfigured = errors.New("from the configuration; change it there and reload")
)
