package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/carrier"
	"github.com/tunneld/tunneld/cmd/tunneld/credentials"
	"github.com/tunneld/tunneld/cmd/tunneld/follow"
	"github.com/tunneld/tunneld/cmd/tunneld/updown"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// runner is one tunnel of the process.
type runner struct {
	name    string
	plan    tunnelPlan // only process.reload reads and changes it
	log     *slog.Logger
	events  *monitor.Events
	dialer  *sshconn.Dialer
	tunnel  *tunnel.Tunnel
	monitor *monitor.Monitor
	way     *follow.Way
	updown  *updown.Commands
	carrier *carrier.Carrier       // this and the two following are set by process.start
	sharing *sharing               //
	end     context.CancelFunc     // see stop
	asked   atomic.Pointer[string] // to stop, and why; nil: it was not
	tried   chan struct{}          // closed when the first attempt to connect is over
	trying  sync.Once              // closes tried
	done    chan struct{}          // closed when the tunnel has ended
	err     error                  // why it failed; nil: it was asked to stop; read after done or under process.mu
}

// newRunner makes a tunnel that does nothing yet, and shares limits with the others of the process. It has no monitor before keep.
func (p *process) newRunner(plan tunnelPlan) *runner {
	plan.options.Forget()
	events := p.book.Events(plan.name)
	with := slog.New(events.Handler(p.log.Handler())).With("tunnel", plan.name)
	dialer := newDialer(p.ask, with, plan.alone)
	dialer.Name = plan.name
	r := &runner{
		name: plan.name, plan: plan, log: with, dialer: dialer, events: events,
		tunnel: tunnel.New(plan.options, dialer, with),
		tried:  make(chan struct{}), done: make(chan struct{}),
	}
	r.tunnel.Share(p.limits)
	r.way = p.ways.New(plan.resolve, plan.options, with, func(o *config.Options) {
		r.tunnel.Follow(o)
		r.monitor.Follow(o)
	})
	return r
}

// followed is the tunnel for keep, whose connections lead where the configuration says at that time.
func (r *runner) followed() monitor.Tunnel {
	return follow.Tunnel{Tunnel: monitor.Adapt(r.tunnel), Way: r.way}
}

// keep gives the tunnel the Monitor that keeps it up, as t; cfg has what is not the same for all, Log at least. before had its name
// before it; nil: none had. changed is called at each change of its state, and must not block. It is called once, before the tunnel
// listens.
func (r *runner) keep(cfg monitor.Config, t monitor.Tunnel, before *runner, changed func()) {
	cfg.Name, cfg.Options, cfg.Events = r.name, r.plan.options, r.events
	cfg.Log = slog.New(r.events.Handler(cfg.Log.Handler()))
	cfg.Master = func() *monitor.Master { return r.sharing.status() }
	cfg.OnChange = func() { r.note(); r.updown.Look(); changed() }
	cfg.Kept = r.way.Kept
	r.monitor = monitor.New(cfg, t)
	var last *updown.Commands
	if before != nil {
		last = before.updown
	}
	r.updown = updown.New(r.monitor, r.name, r.dialer.Shell, r.log, last)
	r.tunnel.OnChange(changed)
	r.tunnel.OnCrowded(r.monitor.Annex)
}

// newDialer makes connections as this process's environment says. ask may be nil. alone: see credentials.New.
func newDialer(ask sshconn.Asker, log *slog.Logger, alone bool) *sshconn.Dialer {
	return &sshconn.Dialer{Credentials: credentials.New(ask, log, alone), Ask: ask, Log: log, Shell: os.Getenv("SHELL")}
}

// note looks whether the first attempt is over.
func (r *runner) note() {
	select {
	case <-r.tried:
		return
	default:
	}
	if s := r.monitor.Status(); s.State != monitor.Connecting && (s.State != monitor.Idle || s.Lazy) {
		r.trying.Do(func() { close(r.tried) })
	}
}

// adopt has the monitor live by a plan that the tunnel's forwards follow already. anew reports that the way to the server or
// the login differ, so that a new connection is called for: from what the plan before said, or from an edit that connections have
// followed since and that was taken back.
func (r *runner) adopt(plan tunnelPlan) (anew bool) {
	before, now := r.plan.options, r.now()
	plan.options.Forget()
	r.plan = plan
	r.way.Adopt(plan.resolve, plan.options, func() {
		r.tunnel.Follow(plan.options) // an attempt may have come between
		r.monitor.Adopt(plan.options)
	})
	r.sharing.adopt(plan.options.Master)
	same := before.SameConnection(plan.options) && now.SameConnection(plan.options)
	return !same && !r.tunnel.Leads(plan.options)
}

// now returns the options that connections are made by now.
func (r *runner) now() *config.Options {
	if r.monitor == nil {
		return r.plan.options
	}
	return r.monitor.Options()
}

// Why a tunnel is asked to stop.
const (
	bySomebody = "somebody asked"
	byClient   = "a client of its ControlPath asked (ssh -O exit)"
	byReload   = "no longer configured"
)

// stop asks the tunnel to stop. It does not wait.
func (r *runner) stop(why string) {
	r.asked.CompareAndSwap(nil, &why)
	r.end()
}

func (r *runner) isAsked() bool { return r.asked.Load() != nil }

// noteEnd has those who follow the tunnel know how it has ended. The log has that in other words.
func (r *runner) noteEnd(err error, why string) {
	log := slog.New(r.events.Handler(slog.DiscardHandler))
	if err != nil {
		log.Error("failed for good", "err", err)
		return
	}
	log.Info("stopped", "why", why)
}

// settleTime bounds the wait for a first attempt.
const settleTime = 10 * time.Second

// settle waits until the first attempt to connect is over, and returns why the tunnel has failed, if it has. One that tries
// again has not.
func (r *runner) settle(ctx context.Context) error {
	limit := time.NewTimer(settleTime)
	defer limit.Stop()
	select {
	case <-r.tried:
	case <-r.done:
	case <-limit.C:
	case <-ctx.Done():
	}
	if r.monitor.Status().State == monitor.Failed {
		select {
		case <-r.done: // it is on its way
		case <-ctx.Done():
		}
	}
	if r.hasEnded() {
		return r.err
	}
	return nil
}

// begun waits until the first attempt of a tunnel that a reload has started is over, and returns how it is.
func (r *runner) begun(ctx context.Context) (string, error) {
	if err := r.settle(ctx); err != nil {
		return "", err
	}
	text := r.monitor.Status().Summary()
	r.log.Info("started by a reload", "now", text)
	return text, nil
}

// reconnect replaces the connection, the new one first.
func (r *runner) reconnect(ctx context.Context) error {
	err := r.monitor.Reconnect(ctx)
	if err != nil {
		r.log.Debug("not reconnected", "err", err) // the monitor has said so already
	}
	return err
}

// down stops the tunnel and waits until it has stopped.
func (r *runner) down(ctx context.Context, why string) error {
	r.log.Info("stopping", "why", why)
	r.stop(why)
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

// find returns the tunnel of that name, or nil.
func find(list []*runner, name string) *runner {
	for _, r := range list {
		if r.name == name {
			return r
		}
	}
	return nil
}
