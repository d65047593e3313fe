package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// runner is one tunnel of the process.
type runner struct {
	name    string
	plan    tunnelPlan // only process.reload reads and changes it
	log     *slog.Logger
	tunnel  *tunnel.Tunnel
	monitor *monitor.Monitor
	stop    context.CancelFunc // set by process.start
	done    chan struct{}      // closed when the tunnel has ended
	err     error              // why it failed; nil: it was asked to stop; read after done or under process.mu
}

// newRunner makes a tunnel that does nothing yet, and shares limits with the others of the process. changed is called at
// each change of its state, and must not block.
func newRunner(plan tunnelPlan, log *slog.Logger, ask tunnel.Asker, limits *tunnel.Limits, changed func()) *runner {
	with := log.With("tunnel", plan.name)
	dialer := newDialer(ask, with, plan.alone)
	r := &runner{name: plan.name, plan: plan, log: with, tunnel: tunnel.New(plan.options, dialer, with), done: make(chan struct{})}
	r.tunnel.Share(limits)
	r.monitor = monitor.New(monitor.Config{Name: plan.name, Options: plan.options, Log: log, OnChange: changed}, monitor.Of(r.tunnel))
	return r
}

// newDialer makes connections as this process's environment says. ask may be nil. alone: see newCredentials.
func newDialer(ask tunnel.Asker, log *slog.Logger, alone bool) *tunnel.Dialer {
	return &tunnel.Dialer{Credentials: newCredentials(ask, log, alone), Ask: ask, Log: log, Shell: os.Getenv("SHELL")}
}

// reload changes what differs between the plan of before and the new one. anew tells that the way to the server or the
// login differ, so that a new connection is called for.
func (r *runner) reload(ctx context.Context, plan tunnelPlan) (anew bool, err error) {
	if err := r.tunnel.Reload(ctx, plan.options); err != nil {
		return false, err
	}
	before := r.plan.options
	r.plan = plan
	r.monitor.Adopt(plan.options)
	return !before.SameConnection(plan.options), nil
}

// reconnect replaces the connection, the new one first, and says so if that fails.
func (r *runner) reconnect(ctx context.Context) {
	if err := r.monitor.Reconnect(ctx); err != nil {
		r.log.Warn("not reconnected, the connection of before goes on", "err", err)
	}
}

// down stops the tunnel and waits until it has stopped.
func (r *runner) down(ctx context.Context) error {
	r.log.Info("stopping", "why", "asked to")
	r.stop()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) hasEnded() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// find gives the tunnel of that name, or nil.
func find(list []*runner, name string) *runner {
	for _, r := range list {
		if r.name == name {
			return r
		}
	}
	return nil
}

// listenAll binds the local forwards of all runners, or of none. Sockets in inherited are used for their addresses.
func listenAll(ctx context.Context, runners []*runner, inherited *tunnel.Inherited) error {
	var failures []error
	for _, r := range runners {
		failures = append(failures, r.tunnel.Listen(ctx, inherited))
	}
	err := errors.Join(failures...)
	if err == nil {
		return nil
	}
	now, cancel := context.WithCancel(ctx)
	cancel()
	for _, r := range runners {
		r.tunnel.Shutdown(now)
	}
	return err
}
