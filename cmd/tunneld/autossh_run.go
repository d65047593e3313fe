package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	front "github.com/tunneld/tunneld/cmd/tunneld/autossh"
	"github.com/tunneld/tunneld/cmd/tunneld/background"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/prompt"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/monitor/netmon"
)

// autosshRun is a running autossh: a process with one tunnel whose attempts are what autossh's starts of ssh are, and whose
// monitor decides by autossh's rules.
type autosshRun struct {
	command *autossh.Command
	rules   *autossh.Restarts // used by one goroutine: until the monitor runs ours, then its own
	log     *front.Log
	screen  *prompt.Screen
	stderr  io.Writer         // screen, until it is left
	ready   *background.First // waits; nil: there is none
	pidFile string            // empty: none
	began   time.Time

	process *process
	runner  *runner
	loop    *front.Loop // nil: monitoring is off
	work    *front.Work // nil: forwards alone
	starts  starts
	tasks   sync.WaitGroup // the watch over each connection
}

func newAutosshRun(c *autossh.Command, log *front.Log, screen *prompt.Screen, ready *background.First) *autosshRun {
	return &autosshRun{command: c, rules: autossh.NewRestarts(c), log: log, screen: screen, stderr: screen, ready: ready, began: time.Now()}
}

// run lives until autossh would exit, and returns its exit code.
func (a *autosshRun) run(ctx context.Context) int {
	defer keepHeadroom()()
	signals := notifyAutossh()
	a.process = newProcess(slog.New(a.log.NewHandler(false)), a.plan, prompt.New(a.screen))
	plans, err := a.process.firstPlan(ctx)
	if err != nil {
		return refuseAutossh(a.stderr, a.command.Name, a.log, err)
	}
	if len(plans) == 0 { // a signal came while the configuration was read
		return exit.GaveUp
	}
	a.makeRunner(ctx, plans[0])
	defer a.process.endpoints.close()
	a.log.Say(a.command.Startup...)
	if err := a.settle(ctx); err != nil {
		return refuseAutossh(a.stderr, a.command.Name, a.log, err)
	}
	defer a.removePIDFile()
	running, stop := context.WithCancel(ctx)
	defer stop()
	code, err := a.supervise(ctx, running, stop, signals)
	stop()
	if a.loop != nil {
		a.loop.Close()
	}
	a.tasks.Wait()
	a.process.tasks.Wait()
	if err != nil {
		return refuseAutossh(a.stderr, a.command.Name, a.log, err)
	}
	return code
}

// notifyAutossh returns the signals of autossh.
func notifyAutossh() <-chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM, syscall.SIGINT)
	return signals
}

// plan resolves what was typed.
func (a *autosshRun) plan(ctx context.Context) ([]tunnelPlan, error) {
	environment, err := config.CurrentEnvironment()
	if err != nil {
		return nil, err
	}
	resolved, err := config.Resolve(ctx, a.command.Request(environment))
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
	return []tunnelPlan{{name: a.command.Destination, options: &o, alone: true, loose: true}}, nil
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
	r := newRunner(plan, p.log, p.ask, p.limits, func() { notify(p.changed) })
	r.tunnel.BePatient()
	r.monitor = monitor.New(monitor.Config{
		Name: plan.name, Options: plan.options, Log: slog.New(a.log.NewHandler(true)), Decide: a.decide,
		OnChange: func() { r.note(); notify(p.changed) },
	}, countedTunnel{monitor.Adapt(r.tunnel), a})
	a.runner = r
	logWarnings(ctx, p.log, []tunnelPlan{plan})
}

// settle does what has to be done before the person's shell goes on: questions, the way into the background, the pid file.
func (a *autosshRun) settle(ctx context.Context) error {
	pidFile := a.command.Settings.PIDFile
	if pidFile != "" {
		if absolute, err := filepath.Abs(pidFile); err == nil {
			pidFile = absolute
		}
	}
	if a.ready != nil {
		asking, done := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
		defer done()
		if err := a.runner.dialer.Credentials.Unlock(asking, a.runner.plan.options, a.process.log); err != nil {
			return &exit.Error{Code: exit.GaveUp, Err: err}
		}
	}
	if err := a.openLoop(ctx); err != nil {
		return err
	}
	if pidFile != "" {
		if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
			return &autossh.Refusal{Text: autossh.CannotOpenPIDFile(pidFile, front.Reason(err)).Text}
		}
		a.pidFile = pidFile
	}
	if a.ready != nil {
		a.log.LeaveTerminal()
		a.stderr = io.Discard
		if err := background.LeaveTerminal(false); err != nil {
			return &autossh.Refusal{Text: autossh.DaemonFailed(err).Text}
		}
		a.leaveDirectory()
	}
	return nil
}

// leaveDirectory lets go of the directory that we were started in, unless a key is to be found from there.
func (a *autosshRun) leaveDirectory() {
	o := a.runner.plan.options
	for _, key := range o.IdentityFile {
		if !filepath.IsAbs(key.Path) {
			return
		}
	}
	for _, path := range append(o.UserKnownHostsFile, o.CertificateFile...) {
		if !filepath.IsAbs(path) {
			return
		}
	}
	os.Chdir("/")
}

func (a *autosshRun) removePIDFile() {
	if a.pidFile != "" {
		os.Remove(a.pidFile)
	}
}

// openLoop binds the monitor ports.
func (a *autosshRun) openLoop(ctx context.Context) error {
	if !a.command.Monitor.On() {
		return nil
	}
	if m := &a.command.Monitor; m.Automatic {
		m.Port = autossh.ChoosePort(rand.IntN, portTaken)
	}
	if a.command.Monitor.Port == 0 {
		return &autossh.Refusal{Text: "unable to find a suitable tunnel port", Hint: "name one with -M, or switch monitoring off with -M 0"}
	}
	loop, err := front.OpenLoop(ctx, a.command, a.log)
	a.loop = loop
	return err
}

// portTaken reports whether somebody listens on a port of the loopback.
func portTaken(port int) bool {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err == nil {
		l.Close()
	}
	return err != nil
}

// tellReady lets the first process exit.
func (a *autosshRun) tellReady() {
	if a.ready != nil {
		a.ready.Release("")
		a.ready = nil
	}
	a.process.service.Ready(a.command.Destination)
}

// supervise starts the tunnel and reacts to what happens until it has ended.
func (a *autosshRun) supervise(ctx, running context.Context, stop func(), signals <-chan os.Signal) (code int, err error) {
	p := a.process
	if first := a.rules.First(); first.Exit {
		a.tellReady()
		a.log.Say(first.Log...)
		return first.Code, nil
	} else {
		a.log.Say(first.Log...)
	}
	p.sockets = systemd.InheritedSockets(p.log)
	lifetime := a.lifetime()
	defer lifetime.Stop()
	if over, code := a.listen(ctx, running, lifetime.C, signals); over {
		return code, nil
	}
	p.start(running, a.runner)
	a.tellReady()
	p.endpoints.serve(p, func() ([]outcome, error) {
		return nil, &exit.Error{Code: exit.Usage, Err: errors.New("an autossh does not read its configuration anew"), Hint: "end it and start it again"}
	})
	p.tasks.Go(func() { netmon.Watch(running, p.log, p) })
	return a.react(running, stop, lifetime.C, signals), nil
}

// lifetime ticks when AUTOSSH_MAXLIFETIME is over.
func (a *autosshRun) lifetime() *time.Timer {
	if a.command.Settings.MaxLifetime == 0 {
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		return timer
	}
	return time.NewTimer(a.command.Settings.MaxLifetime)
}

// listen binds the local forwards. Where one is taken and ExitOnForwardFailure asks for all, that is the end of an ssh like any
// other. over: autossh exits.
func (a *autosshRun) listen(ctx, running context.Context, lifetime <-chan time.Time, signals <-chan os.Signal) (over bool, code int) {
	for {
		change := a.process.sockets.Begin()
		err := change.Listen(ctx, a.runner.tunnel)
		change.End()
		if err == nil {
			a.sayNoForwards()
			return false, 0
		}
		a.starts.begin(a.command.Settings.MaxStart)
		a.sayStart()
		wait, end := a.decide(monitor.Ended{Err: err})
		a.tellReady()
		if end != nil {
			return true, codeOf(end)
		}
		timer := time.NewTimer(max(wait, listenPause))
		select {
		case <-timer.C:
		case <-lifetime:
			timer.Stop()
			return true, a.endOfLife()
		case s := <-signals:
			timer.Stop()
			if isStop(s) {
				a.log.Say(autossh.SignalledToExit())
				return true, exit.GaveUp
			}
		case <-running.Done():
			timer.Stop()
			return true, exit.GaveUp
		}
	}
}

// sayNoForwards says what ssh says where it has none of its local ports.
func (a *autosshRun) sayNoForwards() {
	local, listening := 0, 0
	for _, f := range a.runner.tunnel.Forwards() {
		if f.Kind != config.Remote {
			local++
			listening += len(f.Bound)
		}
	}
	if local > 0 && listening == 0 {
		a.log.SSH(front.Error, front.NoForwards)
	}
}

// listenPause is at least between two tries of a port: binding takes no time, where ssh takes that of a login.
const listenPause = 200 * time.Millisecond

// endOfLife logs what autossh does where its time is over.
func (a *autosshRun) endOfLife() (code int) {
	v := a.rules.Next(autossh.End{Cause: autossh.CauseRestart, Starts: -1, Age: time.Since(a.began) + time.Second})
	a.log.Say(v.Log...)
	return v.Code
}

// react deals with signals until the tunnel has ended, and returns the exit code.
func (a *autosshRun) react(running context.Context, stop func(), lifetime <-chan time.Time, signals <-chan os.Signal) int {
	p := a.process
	watchdog, cancel := p.service.Watchdog()
	defer cancel()
	code := exit.OK
	var asked stopRequest
	for {
		select {
		case <-p.ended:
			if !p.isOver() {
				continue
			}
			if err := a.runner.err; err != nil {
				code = codeOf(err)
			}
			return code
		case <-p.changed:
			p.service.Status(p.summary())
		case <-watchdog:
			p.service.Feed(p.heartbeat())
		case <-lifetime:
			code = a.endOfLife()
			stop()
		case s := <-signals:
			if !isStop(s) {
				a.prod(running, s)
				continue
			}
			if asked.again(time.Now()) {
				a.starts.end(errRestart) // TunneldDrain is not waited for
				return exit.GaveUp
			}
			if !asked.repeated {
				a.sayStop(s)
				code = exit.GaveUp
				p.service.Stopping()
				stop()
			}
		}
	}
}

// codeOf returns autossh's exit code for an error that ends the tunnel.
func codeOf(err error) int {
	if said, ok := errors.AsType[*exit.Error](err); ok {
		return said.Code
	}
	return exit.GaveUp
}

func (a *autosshRun) sayStop(s os.Signal) {
	if a.waits() {
		a.log.Say(autossh.SignalledToExit())
	} else if number, ok := s.(syscall.Signal); ok {
		a.log.Say(autossh.ReceivedSignal(int(number)))
	}
}

// waits reports whether no ssh would run now.
func (a *autosshRun) waits() bool { return a.runner.monitor.Status().State == monitor.Waiting }

// prod is a signal that does not end autossh.
func (a *autosshRun) prod(running context.Context, s os.Signal) {
	switch {
	case a.waits():
		a.process.tasks.Go(func() { a.runner.monitor.Reconnect(running) })
	case s == syscall.SIGUSR1:
		a.log.Say(autossh.SignalledToRestart())
		a.starts.end(errRestart)
	default:
		a.runner.monitor.Nudge(s.String())
	}
}
