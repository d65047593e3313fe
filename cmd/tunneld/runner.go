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
	plan    tunnelPlan // only the process's own loop reads and changes it
	log     *slog.Logger
	tunnel  *tunnel.Tunnel
	monitor *monitor.Monitor
	stop    context.CancelFunc // set by process.start
}

func newRunner(plan tunnelPlan, log *slog.Logger, ask tunnel.Asker) *runner {
	with := log.With("tunnel", plan.name)
	dialer := &tunnel.Dialer{
		Credentials: newCredentials(ask, with),
		Ask:         ask,
		Log:         with,
		Shell:       os.Getenv("SHELL"),
	}
	r := &runner{name: plan.name, plan: plan, log: with, tunnel: tunnel.New(plan.options, dialer, with)}
	r.monitor = monitor.New(monitor.Config{Name: plan.name, Options: plan.options, Log: log}, monitor.Of(r.tunnel))
	return r
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

// listenAll binds the local forwards of all runners, or of none.
func listenAll(ctx context.Context, runners []*runner) error {
	var failures []error
	for _, r := range runners {
		failures = append(failures, r.tunnel.Listen(ctx, nil))
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
