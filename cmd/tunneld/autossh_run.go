package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/signals"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/auth"
)

// autosshRun is a running autossh: a process with one tunnel whose attempts are what autossh's starts of ssh are, and whose
// monitor decides by autossh's rules.
type autosshRun struct {
	command *autossh.Command
	rules   *autossh.Restarts // used by one goroutine: until the monitor runs ours, then its own
	log     *front.Log
	screen  *prompt.Screen
	stderr  io.Writer         // screen, until it is left
	ready   *background.First // waits; nil: there is none, or it has been told
	away    bool              // we have left the terminal
	pidFile front.PIDFile
	trace   *background.Trace // of a crash that nobody would see; nil: none
	began   time.Time

	lookingUp func(name string) // is told what CanonicalizeHostname asks for; nil: nobody wants to know

	process *process
	secrets *auth.Credentials // what a person has typed before we left the terminal; nil: nobody was asked
	runner  *runner
	ports   front.LocalPorts
	loop    *front.Loop // nil: monitoring is off
	work    *front.Work // nil: forwards alone
	starts  front.Starts
	reached front.Reached
	tasks   sync.WaitGroup // the watch over each connection
	asked   signals.Stop   // used by the goroutine that gets the signals
	saidEnd sync.Once      // that a signal ends us
}

func newAutosshRun(c *autossh.Command, log *front.Log, screen *prompt.Screen, ready *background.First) *autosshRun {
	return &autosshRun{command: c, rules: autossh.NewRestarts(c), log: log, screen: screen, stderr: screen, ready: ready, began: time.Now()}
}

// run lives until autossh would exit, and returns its exit code.
func (a *autosshRun) run(ctx context.Context) int {
	defer keepHeadroom()()
	defer signals.EndByAbort(a.starts.EndWork)()
	caught := front.Signals()
	a.process = newProcess(slog.New(a.log.NewHandler(false)), a.plan, prompt.New(a.screen))
	defer func() { a.pidFile.Remove(); a.trace.Close() }()
	code, err := a.live(ctx, caught)
	if err != nil {
		return refuseAutossh(a.stderr, a.command.Name, a.log, err)
	}
	return code
}

// live is run without what has to be left as it was found. An error says why there is no start.
func (a *autosshRun) live(ctx context.Context, caught <-chan os.Signal) (code int, err error) {
	plans, err := a.firstPlan(ctx)
	if err != nil {
		return 0, err
	}
	useCores(plans)
	if len(plans) == 0 { // a signal came while the configuration was read
		a.log.SayLast(autossh.SignalledToExit())
		return exit.GaveUp, nil
	}
	logWarnings(ctx, a.process.log, plans)
	a.log.Say(a.command.Startup...)
	if err := a.unlock(ctx, plans[0]); err != nil {
		return 0, err
	}
	a.makeRunner(ctx, plans[0])
	defer a.process.endpoints.close()
	if err := a.settle(ctx); err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	code, atOnce := a.supervise(ctx, running, stop, caught)
	stop()
	all := front.Finish(func() {
		if atOnce {
			<-a.runner.done
		}
		a.loop.Close()
		a.tasks.Wait()
		a.process.tasks.Wait()
	}, caught, a.endsAtOnce, atOnce)
	if !all {
		a.process.log.Debug("not waiting for all that runs")
	}
	a.runner.updown.Cut()
	return code, nil
}

// plan resolves what was typed.
func (a *autosshRun) plan(ctx context.Context) ([]tunnelPlan, error) {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil, err
	}
	environment.LookingUp = a.lookingUp
	resolved, err := a.resolve(ctx, environment)
	if err != nil {
		return nil, err
	}
	o := *resolved
	o.Echo.Mode, o.Connections, o.Lazy = config.EchoOff, 1, 0 // the loop is autossh's, and so are the starts
	if o.Source("TunneldDrain").File == "default" {
		o.Drain = 0 // autossh is gone at once
	}
	a.log.SetGrade(front.GradeOf(o.Session.LogLevel))
	if a.work, err = front.NewWork(a.command, &o, a.log); err != nil {
		return nil, err
	}
	return []tunnelPlan{{name: a.command.Destination, options: &o, resolve: a.resolve, alone: true, loose: true}}, nil
}

// resolve finds out what the configuration says of the destination.
func (a *autosshRun) resolve(ctx context.Context, environment config.Environment) (*config.Options, error) {
	return config.Resolve(ctx, a.command.Request(environment))
}

// makeRunner takes a free name for the control socket, and makes the tunnel.
func (a *autosshRun) makeRunner(ctx context.Context, plan tunnelPlan) {
	p := a.process
	p.endpoints = endpoints{}
	plans := []tunnelPlan{plan}
	if err := p.endpoints.open(ctx, slog.New(slog.DiscardHandler), plans); err != nil {
		p.log.Debug("no control socket", "err", err)
	}
	plan = plans[0]
	r := p.newRunner(plan)
	cfg := monitor.Config{Decide: a.decide, Log: slog.New(a.log.NewHandler(true))}
	r.keep(cfg, countedTunnel{r.followed(), a}, nil, func() { notify(p.changed) })
	r.tunnel.BePatient()
	r.dialer.Trace = a.reached.Note
	if a.secrets != nil {
		r.dialer.Credentials = a.secrets
	}
	a.runner = r
}

// supervise starts the tunnel, and returns the exit code when it has ended, or is not to be waited for.
func (a *autosshRun) supervise(ctx, running context.Context, stop func(), caught <-chan os.Signal) (code int, atOnce bool) {
	p := a.process
	first := a.rules.First()
	if first.Exit {
		a.tellReady()
		a.log.SayLast(first.Log...)
		return first.Code, false
	}
	a.log.Say(first.Log...)
	p.sockets = systemd.InheritedSockets(p.log)
	a.ports.Begin(func() error { return a.listen(ctx) })
	p.start(running, a.runner)
	p.endpoints.serve(p, func() ([]outcome, error) {
		return nil, &exit.Error{Code: exit.Usage, Err: errors.New("an autossh does not read its configuration anew"), Hint: "end it and start it again"}
	})
	p.watch(running)
	return a.react(running, stop, caught)
}
