package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// doors are the ways in which others reach a process. They are opened before the first local port is bound, so that
// a second daemon of the same name learns of the first one and not of a port in use.
type doors struct {
	control bool   // make a control socket
	listen  string // host:port of the HTTP server; empty: none
	pidFile string // empty: none

	socket *controlSocket // nil: none
	web    *webDoor       // nil: none
	pid    *heldFile      // nil: none
}

// open opens all of them, or none.
func (d *doors) open(ctx context.Context, log *slog.Logger, plans []tunnelPlan) (err error) {
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.pidFile != "" {
		if d.pid, err = writePIDFile(d.pidFile); err != nil {
			return err
		}
	}
	if d.control {
		var names []string
		for _, plan := range plans {
			names = append(names, plan.name)
		}
		if d.socket, err = claimControl(ctx, log, names); err != nil {
			return err
		}
	}
	if d.listen != "" {
		d.web, err = openWeb(ctx, log, d.listen)
	}
	return err
}

// serve answers from now on. reload is what POST /reload does.
func (d *doors) serve(p *process, reload func() ([]outcome, error)) {
	if d.socket != nil {
		d.socket.serve(p.handler(reload))
	}
	if d.web != nil {
		d.web.serve(monitor.Handler(p.monitors))
	}
}

// close closes those that are open.
func (d *doors) close() {
	if d.web != nil {
		d.web.close()
	}
	if d.socket != nil {
		d.socket.close()
	}
	if d.pid != nil {
		d.pid.remove()
	}
}

// webDoor is the HTTP server of --listen. It only shows; steering is for the control socket.
type webDoor struct {
	listener net.Listener
	server   *http.Server
	served   chan struct{}
}

func openWeb(ctx context.Context, log *slog.Logger, address string) (*webDoor, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("--listen %s: %w", address, err),
			hint: "give an address of this machine and a free port: --listen 127.0.0.1:9100"}
	}
	log.Info("status page", "listen", "http://"+listener.Addr().String()+"/")
	return &webDoor{listener: listener, served: make(chan struct{})}, nil
}

// Limits on those who ask over TCP.
const (
	webHeaderTime = 5 * time.Second
	webTime       = 30 * time.Second // for an answer
	webIdleTime   = 2 * time.Minute  // between questions
)

func (w *webDoor) serve(handler http.Handler) {
	w.server = &http.Server{Handler: handler, MaxHeaderBytes: maxReportHeader, ReadHeaderTimeout: webHeaderTime, WriteTimeout: webTime, IdleTimeout: webIdleTime}
	go func() {
		defer close(w.served)
		w.server.Serve(w.listener)
	}()
}

func (w *webDoor) close() {
	if w.server == nil {
		w.listener.Close()
		return
	}
	w.server.Close()
	<-w.served
}
