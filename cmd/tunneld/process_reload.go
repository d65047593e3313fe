package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/difference"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
)

// outcome is what a reload has done to a tunnel.
type outcome struct {
	name    string
	did     string    // "started", "stopped, …", "forgotten, …"; empty: its options are the new ones
	changed string    // what differs, in words; empty: there is nothing to say
	err     error     // nil: it was done
	settled *settling // what goes on, such as a new login; nil: nothing does
	still   bool      // nothing was done, so that no time is of interest
}

var (
	errBeingStopped = errors.New("not reloaded, it is being stopped")
	errNothingElse  = errors.New("no longer configured, but goes on: nothing of the new configuration can run")
)

// reload reads the configuration anew and changes only what differs. A tunnel that has failed is tried again; one that
// somebody has put down is left so. What cannot be read changes nothing: that is the error. What cannot be bound changes
// nothing of its tunnel. All is told in the log as well. Nothing of before is stopped where nothing would be left.
func (p *process) reload(alive, running context.Context) ([]outcome, error) {
	select {
	case p.reloading <- struct{}{}:
	case <-running.Done(): // another one may take long
		return nil, p.tooLate()
	}
	defer func() { <-p.reloading }()
	select {
	case <-p.signalled:
	default:
	}
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
	plans, outcomes := p.leaveDown(plans)
	for _, o := range outcomes {
		p.log.Info("stays down", "tunnel", o.name, "why", "somebody has stopped it")
	}
	s := p.divide(plans)
	s.offer(alive, change)
	defer p.adopted() // in the end: what could not be reloaded has no say

	for i, r := range s.kept {
		outcomes = append(outcomes, p.renew(alive, running, s.renewed[i], r, change))
	}
	for _, plan := range s.fresh {
		before := find(s.ended, plan.name)
		outcomes = append(outcomes, p.beginAnew(alive, running, plan, change, before != nil && before.hasEnded()))
	}
	return append(outcomes, p.dismiss(running, s, change)...), nil
}

// reloadSoon begins a reload that a signal asks for, unless one waits for its turn already, which will read all that there is by then:
// a flood of signals must not have us read the same for hours.
func (p *process) reloadSoon(reload func()) {
	select {
	case p.signalled <- struct{}{}:
		p.tasks.Go(reload)
	default:
		p.log.Debug("the reload that waits will do for this signal, too")
	}
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

// leaveDown takes out the plans of tunnels that somebody has put down, and says so once of each. One that is no longer configured is
// forgotten: it may come back as another.
func (p *process) leaveDown(plans []tunnelPlan) (left []tunnelPlan, outcomes []outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	down := make(map[string]bool)
	for _, plan := range plans {
		said, isDown := p.down[plan.name]
		if !isDown {
			left = append(left, plan)
			continue
		}
		if down[plan.name] = true; !said {
			outcomes = append(outcomes, outcome{name: plan.name, did: "stays down: somebody has stopped it", still: true})
		}
	}
	p.down = down
	return left, outcomes
}

// adopted has the log follow the options that the tunnels live by.
func (p *process) adopted() {
	var plans []tunnelPlan
	for _, r := range p.live() {
		plans = append(plans, r.plan)
	}
	p.follow(plans)
	useCores(plans)
	p.renameTrace()
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
		case r.hasEnded() || r.isAsked():
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
	o := outcome{name: plan.name, changed: difference.Between(r.plan.options, plan.options, p.unheard...)}
	err := change.Reload(alive, r.tunnel)
	switch {
	case errors.Is(err, tunnel.ErrStopped):
		return outcome{name: plan.name, err: errBeingStopped}
	case err != nil:
		r.log.Error("not reloaded, everything stays as it was", exit.Complaint(err)...)
		return outcome{name: plan.name, err: err}
	}
	anew := r.adopt(plan)
	if anew && o.changed == difference.Nothing {
		o.changed = "the way to the server is another than that of the connection"
	}
	o.settled = p.settle(func() (string, error) { return r.reloaded(running, o.changed, anew) })
	return o
}

// loginTime bounds the wait for a new login after a reload. It is less than TimeoutStartSec of the unit, which bounds
// `systemctl reload`.
const loginTime = 45 * time.Second

var errNoLoginYet = errors.New("there is no answer yet")

// reloaded sees to it that a tunnel that has adopted a plan lives by it, and logs and returns in the same words what has become of
// it. anew: that takes a new login.
func (r *runner) reloaded(ctx context.Context, changed string, anew bool) (string, error) {
	var failed error
	if anew {
		limited, cancel := context.WithTimeoutCause(ctx, loginTime, errNoLoginYet)
		failed = r.monitor.Reconnect(limited)
		cancel()
		if ctx.Err() != nil {
			return "", errBeingStopped
		}
	}
	s := r.monitor.Status()
	if failed != nil {
		err := &exit.Error{Code: exit.GaveUp, Err: fmt.Errorf("reloaded, but there is no new login: %w; %s", failed, withoutLogin(s)), Hint: exit.HintOf(failed)}
		r.log.Warn("reloaded, but there is no new login", append([]any{"changed", changed}, exit.Complaint(failed)...)...)
		return "", err
	}
	text := changed
	switch {
	case anew && s.State == monitor.Idle:
		text += "; the next connection logs in anew"
	case anew:
		text += "; logged in anew"
	case !s.State.Carries() && s.State != monitor.Idle:
		text += "; it is not up: " + s.Summary()
	}
	r.log.Info("reloaded", "changed", text)
	return text, nil
}

// withoutLogin says how a tunnel is that was to log in anew and could not.
func withoutLogin(s monitor.Status) string {
	switch {
	case s.State.Carries():
		return "the present connection goes on as it is, and the next one has the new settings"
	case s.State == monitor.Failed:
		return "it has failed for good"
	}
	return "the tunnel is down, and tries on with the new settings"
}

// settling is something that goes on after a reload: done is closed when text and err say how it went.
type settling struct {
	done chan struct{}
	text string
	err  error
}

// settle has do run in a goroutine of its own, for which run waits.
func (p *process) settle(do func() (string, error)) *settling {
	s := &settling{done: make(chan struct{})}
	p.tasks.Go(func() {
		defer close(s.done)
		s.text, s.err = do()
	})
	return s
}

func (s *settling) wait(ctx context.Context) (string, error) {
	select {
	case <-s.done:
		return s.text, s.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
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
			o.settled = p.settle(func() (string, error) { return fresh[0].begun(running) })
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
			p.forget(r, byReload)
			outcomes = append(outcomes, outcome{name: r.name, did: "forgotten, no longer configured,"})
		}
	}
	for _, r := range s.gone {
		if last {
			change.Stay(r.tunnel)
			r.log.Warn("going on with the previous configuration", "err", errNothingElse)
			outcomes = append(outcomes, outcome{name: r.name, err: errNothingElse})
			continue
		}
		r.log.Info("stopping", "why", byReload)
		r.stop(byReload)
		outcomes = append(outcomes, outcome{name: r.name, did: "stopped, no longer configured,"})
	}
	return outcomes
}

// outlives reports whether something runs on without the tunnels that are no longer configured. What has just begun does where
// the first attempt has not shown that the server refuses it.
func (p *process) outlives(running context.Context, s *division) bool {
	left := slices.DeleteFunc(p.live(), func(r *runner) bool { return slices.Contains(s.gone, r) || r.isAsked() })
	if slices.ContainsFunc(left, func(r *runner) bool { return slices.Contains(s.kept, r) }) {
		return true
	}
	return slices.ContainsFunc(left, func(r *runner) bool { return r.settle(running) == nil })
}

// steerReload answers with what became of the tunnels that the request names, and of all others that have changed, were started or
// stopped, or have failed.
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
			if o.err == nil && o.settled != nil {
				o.changed, o.err = o.settled.wait(req.Context())
			}
			if asked || o.did != "" || o.err != nil || o.changed != "" && o.changed != difference.Nothing {
				result := newResult(o.name, began, o.err)
				result.Did, result.Changed = o.did, o.changed
				if o.still {
					result.Took = 0
				}
				answer.Results = append(answer.Results, result)
			}
		}
		answer.send(w)
	}
}
