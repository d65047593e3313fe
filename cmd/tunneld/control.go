package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/monitor"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// A process has one control socket, named after its first tunnel; a tunnel is found by asking every socket. Inside is
// HTTP/1.1 and JSON (control_server.go), so that `curl --unix-socket` will do where tunneld's own commands are not at hand.

// claimControl makes the control socket of a process that runs the tunnels of these plans. A socket that a living process
// holds is never taken, nor is the name of a tunnel that runs already: that is an error, or where the plan allows it, the plan
// gets another name. Where there is no place for a socket, and nobody named one, the tunnels are worth more than the steering: then
// it is nil.
func claimControl(ctx context.Context, log *slog.Logger, plans []tunnelPlan) (*rundir.Server, error) {
	place, err := rundir.Writable(log, rundir.RuntimeDirectories(os.Getenv))
	if err != nil {
		if place.Given {
			return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("no directory for the control socket: %w", err),
				Hint: "make TUNNELD_RUNTIME_DIR a directory that this user may write"}
		}
		log.Warn("no control socket: status, reconnect and down will not find this process", "err", err)
		return nil, nil
	}
	dir, err := os.Open(place.Path)
	if err != nil {
		return nil, err
	}
	defer dir.Close() // and with it the lock: two that start at once take turns
	if err := rundir.LockFile(ctx, dir); err != nil {
		return nil, err
	}
	path, err := freePath(ctx, place.Path, plans)
	if err != nil {
		return nil, err
	}
	return rundir.NewServer(ctx, path)
}

// freePath returns the path of a socket for a process that runs the tunnels of these plans: that of the first, or one beside
// it where a process listens that has put down the tunnel of that name and runs others. An error reports that one of the
// names runs already and that its plan may have no other.
func freePath(ctx context.Context, dir string, plans []tunnelPlan) (string, error) {
	running, _ := findInstances(ctx)
	holders, others := make(map[string]*instance), make(map[string]bool)
	for _, d := range running {
		others[d.socket] = true
		for _, s := range d.report.Tunnels {
			holders[s.Name] = d
		}
	}
	at := func(name string) string { return filepath.Join(dir, rundir.SocketName(name)) }
	for i := range plans {
		if d := holders[plans[i].name]; d != nil && !plans[i].loose {
			return "", alreadyRuns(d, plans[i].name, beside(plans))
		}
		plans[i].rename(func(name string) bool {
			return holders[name] != nil || i == 0 && !others[at(name)] && isHeld(ctx, at(name))
		})
		holders[plans[i].name] = new(instance) // for those that follow
	}
	name := plans[0].name
	path := at(name)
	for n := 2; others[path]; n++ {
		path = at(fmt.Sprintf("%s-%d", name, n))
	}
	return path, clearPath(ctx, path, name)
}

// isHeld reports whether a process has the socket, whether it answers or not.
func isHeld(ctx context.Context, path string) bool {
	pid, _ := rundir.InUse(ctx, path)
	return pid != 0
}

// clearPath returns an error where somebody listens at path who has not said what it runs. A file that is left over is removed.
func clearPath(ctx context.Context, path, name string) error {
	pid, err := rundir.InUse(ctx, path)
	switch {
	case err != nil:
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("control socket: %w", err), Hint: "stop what has the socket, or remove the file"}
	case pid != 0:
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: already running", name), Hint: silentHint(pid, path)}
	}
	for _, left := range []string{path, rundir.TracePath(path)} {
		if err := os.Remove(left); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// silentHint says how to be rid of a process that has the socket and does not answer; below 0: nobody knows which.
func silentHint(pid int, path string) string {
	if pid < 0 {
		return fmt.Sprintf("the process that listens on %s does not answer: stop it, or run another tunnel beside it with --name NAME", path)
	}
	return fmt.Sprintf("process %d does not answer: `kill -9 %[1]d` ends it; --name NAME runs another tunnel beside it", pid)
}

// refuseForeign returns an error where another process runs a tunnel of that name.
func (p *process) refuseForeign(ctx context.Context, name string) error {
	if p.endpoints.socket == nil {
		return nil
	}
	running, _ := findInstances(ctx)
	for _, d := range running {
		if d.socket != p.endpoints.socket.Path() && d.has(name) {
			return alreadyRuns(d, name, fmt.Sprintf("`tunneld down %s` stops it there, and the next reload starts it here", fault.ShellQuote(name)))
		}
	}
	return nil
}

// beside says how to start all the same what runs already.
func beside(plans []tunnelPlan) string {
	if len(plans) == 1 {
		return "--name NAME runs another one beside it"
	}
	return "without it the others can start"
}

// alreadyRuns is that process d has a tunnel of that name. instead says what else can be done.
func alreadyRuns(d *instance, name, instead string) error {
	typed := fault.ShellQuote(name)
	e := &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: already running as process %d", name, d.report.PID),
		Hint: fmt.Sprintf("`tunneld status %s` shows it, `tunneld down %[1]s` stops it; %s", typed, instead)}
	for _, s := range d.report.Tunnels {
		if s.Name == name && s.State == monitor.Failed {
			e.Err = fmt.Errorf("%s: belongs to process %d, where it has failed", name, d.report.PID)
			e.Hint = fmt.Sprintf("`tunneld reload %s` tries it again there, `tunneld down %[1]s` gives it up; %s", typed, instead)
		}
	}
	return e
}

// serveControl answers from now on, until the server is closed, which calls shut.
func serveControl(s *rundir.Server, log *slog.Logger, handler http.Handler, shut func()) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: rundir.AskTime, MaxHeaderBytes: maxReportHeader,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	server.RegisterOnShutdown(shut)
	s.Serve(server)
}
