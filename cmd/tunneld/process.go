package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/tunneld/tunneld/tunnel"
)

// process is a running `tunneld up`: its tunnels, and what starts and stops them.
type process struct {
	log   *slog.Logger
	plan  func(context.Context) ([]tunnelPlan, error) // reads the configuration, now or anew
	ask   tunnel.Asker                                // nil: nobody can be asked
	ended chan *runner                                // a tunnel has ended; its error is in failures

	mu       sync.Mutex // guards all following fields
	runners  []*runner
	failures []error
}

func newProcess(log *slog.Logger, plan func(context.Context) ([]tunnelPlan, error), ask tunnel.Asker) *process {
	return &process{log: log, plan: plan, ask: ask, ended: make(chan *runner)}
}

// errSecondSignal ends the process at once: a person does not want to wait for open connections.
var errSecondSignal = &exitError{code: exitOK}

// run binds every local listener, or none, then keeps the tunnels up until it is asked to stop or nothing is left to try.
// A tunnel that fails for good does not take the others down; its error is part of what run gives in the end.
func (p *process) run(ctx context.Context) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)

	plans, err := p.plan(ctx)
	if err != nil {
		return err
	}
	// Two contexts: the first asks the tunnels to stop, which takes them as long as they drain; the second cuts them off.
	running, stop := context.WithCancel(ctx)
	defer stop()
	if err := p.begin(ctx, running, plans); err != nil {
		return err
	}
	for stopping := false; ; {
		select {
		case <-p.ended:
			if p.count() == 0 {
				return errors.Join(p.failures...)
			}
		case s := <-signals:
			switch {
			case stopping && (s == syscall.SIGTERM || s == syscall.SIGINT):
				p.log.Warn("exiting at once", "signal", s.String())
				return errSecondSignal
			case s == syscall.SIGHUP:
				p.reload(ctx, running)
			case s == syscall.SIGUSR1:
				p.reconnect(ctx)
			default:
				p.log.Info("stopping", "signal", s.String())
				stopping = true
				stop()
			}
		}
	}
}

// begin makes the tunnels of plans, binds them all or none, and starts them. running asks them to stop; ctx cuts them off.
func (p *process) begin(ctx, running context.Context, plans []tunnelPlan) error {
	var fresh []*runner
	for _, plan := range plans {
		plan.warn(p.log)
		fresh = append(fresh, newRunner(plan, p.log, p.ask))
	}
	if err := listenAll(ctx, fresh); err != nil {
		return err
	}
	for _, r := range fresh {
		p.start(running, r)
	}
	return nil
}

func (p *process) start(running context.Context, r *runner) {
	running, r.stop = context.WithCancel(running)
	p.mu.Lock()
	p.runners = append(p.runners, r)
	p.mu.Unlock()
	go func() {
		defer r.stop()
		err := r.monitor.Run(running)
		p.mu.Lock()
		p.runners = slices.DeleteFunc(p.runners, func(other *runner) bool { return other == r })
		if err != nil {
			p.failures = append(p.failures, err)
		}
		p.mu.Unlock()
		p.ended <- r
	}()
}

func (p *process) count() int { return len(p.all()) }

// all gives the tunnels that have not ended.
func (p *process) all() []*runner {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.runners)
}

// reconnect replaces every connection, the new one first.
func (p *process) reconnect(ctx context.Context) {
	for _, r := range p.all() {
		go r.reconnect(ctx)
	}
}

// reload reads the configuration anew and changes only what differs. What can not be read or bound changes nothing.
func (p *process) reload(ctx, running context.Context) {
	plans, err := p.plan(ctx)
	if err != nil {
		p.log.Error("configuration not reloaded, everything goes on as before", "err", err)
		return
	}
	p.log.Info("configuration reloaded")
	have := p.all()
	named := func(name string) func(*runner) bool { return func(r *runner) bool { return r.name == name } }
	for _, plan := range plans {
		i := slices.IndexFunc(have, named(plan.name))
		if i < 0 {
			if err := p.begin(ctx, running, []tunnelPlan{plan}); err != nil {
				p.log.Error("tunnel not started", "tunnel", plan.name, "err", err)
			}
			continue
		}
		anew, err := have[i].reload(ctx, plan)
		if err != nil {
			have[i].log.Error("not reloaded, everything goes on as before", "err", err)
		}
		if anew {
			go have[i].reconnect(ctx)
		}
	}
	for _, r := range have {
		if !slices.ContainsFunc(plans, func(plan tunnelPlan) bool { return plan.name == r.name }) {
			r.log.Info("stopping", "why", "no longer configured")
			r.stop()
		}
	}
}
