package main

import "context"

// reload reads the configuration anew and changes only what differs. A tunnel that has failed is tried again. What can not
// be read or bound changes nothing, and is told in the log and, by the tunnel's name, in the map.
func (p *process) reload(ctx, running context.Context) map[string]error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	p.service.reloading()
	defer func() { p.service.ready(p.summary()) }()
	have := p.all()
	failures := make(map[string]error)
	plans, err := p.plan(running) // it may run programs: they end when the process is asked to stop
	if err != nil {
		p.log.Error("configuration not reloaded, everything goes on as before", "err", err)
		for _, r := range have {
			failures[r.name] = err
		}
		return failures
	}
	p.log.Info("configuration reloaded")
	wanted := make(map[string]bool)
	for _, plan := range plans {
		wanted[plan.name] = true
		if err := p.renew(ctx, running, plan, find(have, plan.name)); err != nil {
			failures[plan.name] = err
		}
	}
	for _, r := range have {
		if !wanted[r.name] {
			r.log.Info("stopping", "why", "no longer configured")
			p.forget(r)
		}
	}
	return failures
}

// renew makes a tunnel as its plan says: r is the one of that name until now, or nil.
func (p *process) renew(ctx, running context.Context, plan tunnelPlan, r *runner) error {
	if r == nil || r.hasEnded() {
		err := p.begin(ctx, running, []tunnelPlan{plan}, nil)
		if err != nil {
			p.log.Error("tunnel not started", "tunnel", plan.name, "err", err)
		}
		return err
	}
	anew, err := r.reload(ctx, plan)
	if err != nil {
		r.log.Error("not reloaded, everything goes on as before", "err", err)
	}
	if anew {
		p.tasks.Go(func() { r.reconnect(running) })
	}
	return err
}
