package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/eventlog"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/follow"
	"github.com/tunneld/tunneld/cmd/tunneld/hangup"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/cmd/tunneld/thrift"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/monitor/beat"
	"github.com/tunneld/tunneld/tunnel"
	"github.com/tunneld/tunneld/tunnel/sshconn"
)

// process is a running `tunneld up`: its tunnels, and what starts and stops them.
type process struct {
	log       *slog.Logger
	plan      func(context.Context) ([]tunnelPlan, error) // reads the configuration, now or anew
	ask       sshconn.Asker                               // nil: nobody can be asked
	endpoints endpoints                                   // set before run
	follow    func([]tunnelPlan)                          // has the log show what LogLevel of these says
	dump      func(stacks string)                         // shows what each goroutine does
	unheard   []string                                    // keywords that have no say in this process
	limits    *tunnel.Limits                              // of all tunnels together
	ways      *follow.Source                              // of all tunnels
	book      *eventlog.Book                              // what has happened to them
	service   *systemd.Service
	wheel     *beat.Wheel   // of all tunnels
	ended     chan struct{} // of one element: a tunnel has ended
	changed   chan struct{} // of one element: a tunnel's state has changed

	reloading chan struct{}  // of one element, in it while forwards change: one reload at a time
	signalled chan struct{}  // of one element, in it while a reload that a signal asked for waits for its turn
	tasks     sync.WaitGroup // reloads, reconnects and the watch for sleep and network changes; waited for by run

	sockets *tunnel.Sockets  // set by run
	tty     *hangup.Terminal // set by run; nil: nobody looks after it

	renamed map[string]string // the names of tunnels whose own are taken; set by run

	departure *departure // of -f; nil: the process stays in the foreground
	left      chan error // of one: why it could not go into the background; nil: it is there, or ends

	mu      sync.Mutex      // guards all following fields
	runners []*runner       // those that have failed stay, so that they are shown
	parting []*runner       // that drain while another of their name runs; they are not shown
	down    map[string]bool // the tunnels that somebody has put down: a reload leaves them so; whether one has said that
	over    bool            // every tunnel has ended, and none may begin
	why     string          // the process stops; empty: it does not
}

func newProcess(log *slog.Logger, plan func(context.Context) ([]tunnelPlan, error), ask sshconn.Asker) *process {
	return &process{
		log: log, plan: follow.Unheld(plan), ask: ask, limits: tunnel.NewLimits(), wheel: monitor.NewWheel(), book: new(eventlog.Book), ways: follow.NewSource(config.CurrentEnvironment),
		follow:    func([]tunnelPlan) {},
		dump:      signals.Show,
		service:   systemd.NewService(log),
		ended:     make(chan struct{}, 1),
		changed:   make(chan struct{}, 1),
		reloading: make(chan struct{}, 1),
		signalled: make(chan struct{}, 1),
		left:      make(chan error, 1),
		down:      make(map[string]bool),
	}
}

// errSecondSignal ends the process at once: a person does not want to wait for open connections.
var errSecondSignal = &exit.Error{Code: exit.OK}

// errQuit ends the process at once as well, for SIGQUIT, which is no orderly end.
var errQuit = &exit.Error{Code: exit.GaveUp}

// run binds every local listener, or none, then keeps the tunnels up until it is asked to stop or nothing is left to try.
// A tunnel that fails for good does not take the others down; its error is part of what run returns.
func (p *process) run(alive context.Context) error {
	defer keepHeadroom()()
	defer signals.EndByAbort(func() {})()
	p.tty = hangup.Watch()
	caught := signals.Notify()
	plans, err := p.firstPlan(alive)
	if err != nil || len(plans) == 0 {
		return err
	}
	p.follow(plans)
	useCores(plans)
	if err := p.claim(alive, plans); err != nil {
		return err
	}
	defer p.endpoints.close()

	// Two contexts: the end of running asks the tunnels to stop, which takes them as long as they drain; that of alive cuts them
	// off.
	running, stop := context.WithCancel(alive)
	defer stop()
	p.sockets = systemd.InheritedSockets(p.log)
	runners, err := p.beginFirst(alive, running, plans)
	if err != nil {
		return err
	}
	p.service.Ready(p.summary())
	reload := func() ([]outcome, error) { return p.reload(alive, running) }
	p.endpoints.serve(p, reload)
	p.watch(running)
	if p.departure != nil {
		p.tasks.Go(func() { p.left <- p.departure.leave(running, p, runners, plans) })
	}
	var asked signals.Stop
	err = p.loop(running, caught, &asked, stop, func() { reload() })
	stop()
	if err != errSecondSignal && err != errQuit {
		err = p.finish(caught, &asked, err)
	}
	if err == errSecondSignal || err == errQuit {
		p.cut()
	}
	return err
}

// claim opens the endpoints, and notes under which other names tunnels run whose own are taken.
func (p *process) claim(ctx context.Context, plans []tunnelPlan) error {
	wanted := slices.Clone(plans)
	if err := p.endpoints.open(ctx, p.log, plans); err != nil {
		return err
	}
	p.renamed = make(map[string]string)
	for i, plan := range plans {
		if before := wanted[i].name; before != plan.name {
			p.renamed[before] = plan.name
			p.log.Info("the name is taken by another tunnel to this host", "name", before, "tunnel", plan.name)
		}
	}
	return nil
}

// lookupPause is the time between two attempts to resolve what CanonicalizeHostname asks for.
const lookupPause = 5 * time.Second

// firstPlan reads the configuration, which may run programs and so take long. A name that CanonicalizeHostname cannot
// resolve is tried again for ever: the name server may come later than we do. No plans and no error: it was asked to stop, or its
// terminal was closed.
func (p *process) firstPlan(ctx context.Context) ([]tunnelPlan, error) {
	reading, cancel := p.tty.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer cancel()
	for try := 1; ; try++ {
		plans, err := p.plan(reading)
		if reading.Err() != nil && ctx.Err() == nil {
			return nil, nil
		}
		var bad *config.Error
		var lookup *config.LookupError
		if errors.As(err, &bad) || !errors.As(err, &lookup) {
			return plans, err
		}
		level := slog.LevelWarn
		if try&(try-1) != 0 { // the first, the second, the fourth ...
			level = slog.LevelDebug
		}
		p.log.Log(ctx, level, "name not resolved", "name", lookup.Name, "err", err, "retry_in", lookupPause)
		select {
		case <-time.After(lookupPause):
		case <-reading.Done():
		}
	}
}

// loop reacts to what happens until every tunnel has ended.
func (p *process) loop(running context.Context, caught <-chan os.Signal, asked *signals.Stop, stop, reload func()) error {
	watchdog, cancel := p.service.Watchdog()
	defer cancel()
	tick := beat.NewTicker(statusEvery)
	defer tick.Stop()
	memory := thrift.NewKeeper()
	defer memory.Stop()
	for {
		select {
		case <-memory.C:
			memory.GiveBack()
		case <-p.ended:
			if p.isOver() {
				return p.failures()
			}
		case err := <-p.left:
			if err != nil {
				return err
			}
			p.tty.Left()
		case <-p.changed:
			memory.Changed()
			p.statusLine()
		case now := <-tick.C:
			tick.Next()
			p.tty.Look(now)
			p.statusLine()
		case <-watchdog:
			p.service.Feed(p.heartbeat())
		case s := <-caught:
			hungUp := s == syscall.SIGHUP && p.tty.HungUp(time.Now())
			stops := signals.IsStop(s) || hungUp
			switch {
			case s == syscall.SIGQUIT:
				return p.quit()
			case stops && asked.Again(s, time.Now()):
				p.log.Warn("exiting at once", "signal", s.String())
				return errSecondSignal
			case stops && asked.Repeated:
				p.log.Debug("the same signal once more", "signal", s.String())
			case s == syscall.SIGHUP && !hungUp:
				p.reloadSoon(reload)
			case s == signals.Reconnect:
				p.reconnect(running)
			default:
				p.log.Info("stopping", "signal", s.String())
				p.noteStop(s, hungUp)
				p.sayDraining()
				p.service.Stopping()
				p.sockets.Close()
				stop()
			}
		}
	}
}

// beginFirst begins the tunnels that the process is started with.
func (p *process) beginFirst(alive, running context.Context, plans []tunnelPlan) ([]*runner, error) {
	change := p.sockets.Begin()
	defer change.End()
	runners, err := p.begin(alive, running, plans, change)
	if err != nil {
		return nil, err
	}
	for _, address := range p.sockets.Unused(alive, p.log) {
		p.log.Warn("inherited socket not used: no local forward has this address", "listen", address.String())
	}
	return runners, nil
}

// begin makes the tunnels of plans, binds what they need, and starts them. The end of running asks them to stop, that of alive
// cuts them off.
func (p *process) begin(alive, running context.Context, plans []tunnelPlan, change *tunnel.Change) ([]*runner, error) {
	var fresh []*runner
	var tunnels []*tunnel.Tunnel
	logWarnings(alive, p.log, plans)
	for _, plan := range plans {
		r, before := p.newRunner(plan), find(p.all(), plan.name)
		r.keep(monitor.Config{Log: p.log, Wheel: p.wheel}, r.followed(), before, func() { notify(p.changed) })
		if before != nil && before.hasEnded() {
			r.tunnel.Inherit(before.tunnel)
		}
		fresh, tunnels = append(fresh, r), append(tunnels, r.tunnel)
	}
	if err := change.Listen(alive, tunnels...); err != nil {
		return nil, err
	}
	for _, r := range fresh {
		p.start(running, r)
	}
	return fresh, nil
}

// notify leaves a word in a channel of one element.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
