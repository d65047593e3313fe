package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/tunnel"
)

// outcome is what a reload has done to a tunnel.
type outcome struct {
	name   string
	did    string                      // "started", "stopped, …", "forgotten, …"; empty: its options are the new ones
	err    error                       // nil: it was done
	settle func(context.Context) error // waits for what goes on, and returns why that has failed; nil: nothing does
}

var (
	errBeingStopped = errors.New("not reloaded, it is being stopped")
	errNothingElse  = errors.New("no longer configured, but goes on: nothing of the new configuration can run")
)

// reload reads the configuration anew and changes only what differs. A tunnel that has failed is tried again; one that
// somebody has put down is left so. What cannot be read changes nothing: that is the error. What cannot be bound changes
// nothing of its tunnel. All is told in the log as well. Nothing of before is stopped where nothing would be left.
func (p *process) reload(alive, running context.Context) ([]outcome, error) {
	p.reloading <- struct{}{}
	defer func() { <-p.reloading }()
	if running.Err() != nil {
		return nil, p.tooLate()
	}
	p.service.Reloading()
	defer func() { p.service.Ready(p.summary()) }()
	plans, err := p.plan(running) // it may run programs: they end when the process is asked to stop
	if running.Err() != nil {
		return nil, p.tooLate()
	}
	for i := range plans {
		plans[i].name = cmp.Or(p.renamed[plans[i].name], plans[i].name)
	}
	if err == nil {
		err = p.unreadNow(plans)
	}
	if err != nil {
		p.log.Error("configuration not reloaded, everything stays as it was", exit.Complaint(err)...)
		return nil, err
	}
	p.log.Info("configuration reloaded")
	change := p.sockets.Begin()
	defer change.End()
	s := p.divide(p.leaveDown(plans))
	s.offer(alive, change)

	var outcomes []outcome
	for i, r := range s.kept {
		outcomes = append(outcomes, p.renew(alive, running, s.renewed[i], r, change))
	}
	for _, plan := range s.fresh {
		before := find(s.ended, plan.name)
		outcomes = append(outcomes, p.beginAnew(alive, running, plan, change, before != nil && before.hasEnded()))
	}
	return append(outcomes, p.dismiss(running, s, change)...), nil
}

// tooLate says why there is no reload any more.
func (p *process) tooLate() error {
	p.log.Info("configuration not reloaded", "why", "the process is being stopped")
	return errBeingStopped
}

// unreadNow returns why a plan may lack what its tunnel has: a file of the configuration that could be read before cannot be
// read now. The alias would be taken for the name of a host.
func (p *process) unreadNow(plans []tunnelPlan) error {
	for _, plan := range plans {
		if r := find(p.all(), plan.name); r != nil && len(r.plan.options.Unread) == 0 && len(plan.options.Unread) > 0 {
			return plan.options.Unread[0]
		}
	}
	return nil
}

// leaveDown takes out the plans of tunnels that somebody has put down. One that is no longer configured is forgotten: it
// may come back as another.
func (p *process) leaveDown(plans []tunnelPlan) []tunnelPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = slices.DeleteFunc(p.down, func(name string) bool {
		return !slices.ContainsFunc(plans, func(plan tunnelPlan) bool { return plan.name == name })
	})
	return slices.DeleteFunc(plans, func(plan tunnelPlan) bool { return slices.Contains(p.down, plan.name) })
}

// division is who goes on, who begins and who ends with a reload.
type division struct {
	kept    []*runner
	renewed []tunnelPlan // of kept
	fresh   []tunnelPlan
	gone    []*runner // no longer configured
	ended   []*runner // have failed, or are being stopped already
}

func (p *process) divide(plans []tunnelPlan) *division {
	s := new(division)
	for _, r := range p.all() {
		i := slices.IndexFunc(plans, func(plan tunnelPlan) bool { return plan.name == r.name })
		switch {
		case r.hasEnded() || r.asked.Load():
			s.ended = append(s.ended, r)
		case i < 0:
			s.gone = append(s.gone, r)
		default:
			s.kept, s.renewed = append(s.kept, r), append(s.renewed, plans[i])
		}
	}
	for _, plan := range plans {
		if find(s.kept, plan.name) == nil {
			s.fresh = append(s.fresh, plan)
		}
	}
	return s
}

// offer makes it known which ports become free.
func (s *division) offer(ctx context.Context, change *tunnel.Change) {
	for _, r := range slices.Concat(s.gone, s.ended) {
		change.Leave(r.tunnel)
	}
	for i, r := range s.kept {
		change.Plan(ctx, r.tunnel, s.renewed[i].options)
	}
}

// renew has a tunnel that runs live by a new plan.
func (p *process) renew(alive, running context.Context, plan tunnelPlan, r *runner, change *tunnel.Change) outcome {
	err := change.Reload(alive, r.tunnel)
	switch {
	case errors.Is(err, tunnel.ErrStopped):
		return outcome{name: plan.name, err: errBeingStopped}
	case err != nil:
		r.log.Error("not reloaded, everything stays as it was", exit.Complaint(err)...)
		return outcome{name: plan.name, err: err}
	case !r.adopt(plan):
		return outcome{name: plan.name}
	}
	done := make(chan error, 1)
	p.tasks.Go(func() { done <- r.reconnect(running) })
	return outcome{name: plan.name, settle: func(ctx context.Context) error {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
}

// beginAnew starts a tunnel that the new configuration has and the old one had not, or that has failed before.
func (p *process) beginAnew(alive, running context.Context, plan tunnelPlan, change *tunnel.Change, before bool) outcome {
	o := outcome{name: plan.name, did: "started"}
	if before {
		o.did = ""
	}
	o.err = p.refuseForeign(alive, plan.name)
	if o.err == nil {
		var fresh []*runner
		if fresh, o.err = p.begin(alive, running, []tunnelPlan{plan}, change); o.err == nil {
			o.settle = fresh[0].settle
			return o
		}
	}
	p.log.With("tunnel", plan.name).Error("tunnel not started", exit.Complaint(o.err)...)
	return o
}

// dismiss stops what is no longer configured, unless nothing would be left: a daemon does not end by a reload.
func (p *process) dismiss(running context.Context, s *division, change *tunnel.Change) []outcome {
	last := len(s.gone) > 0 && !p.outlives(running, s)
	var outcomes []outcome
	for _, r := range s.ended {
		if r.hasEnded() && find(p.live(), r.name) == nil && !slices.ContainsFunc(s.fresh, func(plan tunnelPlan) bool { return plan.name == r.name }) {
			p.forget(r)
			outcomes = append(outcomes, outcome{name: r.name, did: "forgotten, no longer configured,"})
		}
	}
	for _, r := range s.gone {
		if last {
			change.Stay(r.tunnel)
			r.log.Warn("goes on with the configuration of before", "err", errNothingElse)
			outcomes = append(outcomes, outcome{name: r.name, err: errNothingElse})
			continue
		}
		r.log.Info("stopping", "why", "no longer configured")
		r.stop()
		outcomes = append(outcomes, outcome{name: r.name, did: "stopped, no longer configured,"})
	}
	return outcomes
}

// outlives reports whether something runs on without the tunnels that are no longer configured. What has just begun does where
// the first attempt has not shown that the server refuses it.
func (p *process) outlives(running context.Context, s *division) bool {
	left := slices.DeleteFunc(p.live(), func(r *runner) bool { return slices.Contains(s.gone, r) || r.asked.Load() })
	if slices.ContainsFunc(left, func(r *runner) bool { return slices.Contains(s.kept, r) }) {
		return true
	}
	return slices.ContainsFunc(left, func(r *runner) bool { return r.settle(running) == nil })
}

// steerReload answers with what became of the tunnels that the request names, and of all others that were started, stopped
// or have failed.
func (p *process) steerReload(reload func() ([]outcome, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		meant, err := p.named(req.URL.Query()["tunnel"])
		if err != nil {
			answerJSON(w, http.StatusNotFound, controlAnswer{[]controlResult{{Error: err.Error()}}})
			return
		}
		began := time.Now()
		outcomes, err := reload()
		var answer controlAnswer
		for _, r := range meant {
			switch {
			case err != nil:
				answer.Results = append(answer.Results, newResult(r.name, began, err))
			case !slices.ContainsFunc(outcomes, func(o outcome) bool { return o.name == r.name }):
				answer.Results = append(answer.Results, newResult(r.name, began, errBeingStopped))
			}
		}
		for _, o := range outcomes {
			asked := find(meant, o.name) != nil
			if o.err == nil && o.settle != nil {
				o.err = o.settle(req.Context())
			}
			if asked || o.did != "" || o.err != nil {
				result := newResult(o.name, began, o.err)
				result.Did = o.did
				answer.Results = append(answer.Results, result)
			}
		}
		answer.send(w)
	}
}
