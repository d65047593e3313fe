package main

import (
	"context"
	"log/slog"

	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/cmd/tunneld/web"
	"github.com/tunneld/tunneld/monitor"
)

// endpoints are the ways in which others reach a process. They are opened before the first local port is bound, so that
// a second daemon of the same name learns of the first one and not of a port in use.
type endpoints struct {
	listen  string // host:port of the HTTP server; empty: none
	pidFile string // empty: none

	socket *rundir.Server  // nil: none
	web    *web.Server     // nil: none
	pid    *rundir.PIDFile // nil: none
}

// open opens all of them, or none. It gives plans other names where theirs are taken and they allow it.
func (d *endpoints) open(ctx context.Context, log *slog.Logger, plans []tunnelPlan) (err error) {
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.pidFile != "" {
		if d.pid, err = rundir.WritePIDFile(d.pidFile); err != nil {
			return err
		}
	}
	if d.socket, err = claimControl(ctx, log, plans); err != nil {
		return err
	}
	if d.listen != "" {
		d.web, err = web.Open(ctx, log, d.listen)
	}
	return err
}

// serve answers from now on. reload is what POST /reload does.
func (d *endpoints) serve(p *process, reload func() ([]outcome, error)) {
	if d.socket != nil {
		serveControl(d.socket, p.log, p.handler(reload), p.book.Shut)
	}
	if d.web != nil {
		d.web.Serve(monitor.Handler(versionText(), p.monitors))
	}
}

// close closes those that are open.
func (d *endpoints) close() {
	if d.web != nil {
		d.web.Close()
	}
	if d.socket != nil {
		d.socket.Close()
	}
	if d.pid != nil {
		d.pid.Remove()
	}
}
