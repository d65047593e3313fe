package main

import (
	"context"
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A process has one control socket, named after its first tunnel; a tunnel is found by asking every socket. Inside is
// HTTP/1.1 and JSON (control_server.go), so that `curl --unix-socket` will do where tunneld's own commands are not at hand.

// controlSocket is that of this process.
type controlSocket struct {
	path     string
	file     os.FileInfo // as it was made: another one in its place is not ours to remove
	listener net.Listener
	server   *http.Server
	served   chan struct{}
}

// claimControl makes the control socket of a process that runs the tunnels of these names. A socket that a living process
// holds is never taken, nor is the name of a tunnel that runs already: that is an error. Where there is no place for
// a socket, and nobody named one, the tunnels are worth more than the steering: then it is nil.
func claimControl(ctx context.Context, log *slog.Logger, names []string) (*controlSocket, error) {
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
	path, err := freePath(ctx, place.Path, names)
	if err != nil {
		return nil, err
	}
	return makeControl(ctx, path)
}

// freePath returns the path of a socket for a process that runs the tunnels of these names: that of the first, or one beside
// it where a process listens that has put down the tunnel of that name and runs others. An error reports that one of the
// names runs already.
func freePath(ctx context.Context, dir string, names []string) (string, error) {
	running, _ := findInstances(ctx)
	others := make(map[string]bool)
	for _, d := range running {
		others[d.socket] = true
		for _, s := range d.report.Tunnels {
			if slices.Contains(names, s.Name) {
				return "", alreadyRuns(s.Name, d.report.PID)
			}
		}
	}
	path := filepath.Join(dir, rundir.SocketName(names[0]))
	for n := 2; others[path]; n++ {
		path = filepath.Join(dir, rundir.SocketName(fmt.Sprintf("%s-%d", names[0], n)))
	}
	return path, clearPath(ctx, path, names)
}

// clearPath returns an error where somebody listens at path. A file that is left over is removed.
func clearPath(ctx context.Context, path string, names []string) error {
	taken, err := rundir.InUse(ctx, path)
	switch {
	case err != nil:
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("control socket: %w", err), Hint: "stop what has the socket, or remove the file"}
	case taken:
		return alreadyRuns(names[0], 0)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// refuseForeign returns an error where another process runs a tunnel of that name.
func (p *process) refuseForeign(ctx context.Context, name string) error {
	if p.endpoints.socket == nil {
		return nil
	}
	running, _ := findInstances(ctx)
	for _, d := range running {
		if d.socket != p.endpoints.socket.path && d.has(name) {
			return alreadyRuns(name, d.report.PID)
		}
	}
	return nil
}

func alreadyRuns(name string, pid int) error {
	err := fmt.Errorf("%s: already running", name)
	if pid != 0 {
		err = fmt.Errorf("%s: already running as process %d", name, pid)
	}
	return &exit.Error{Code: exit.Usage, Err: err,
		Hint: fmt.Sprintf("`tunneld status %s` shows it, `tunneld down %s` stops it; --name NAME runs another one beside it", name, name)}
}

func makeControl(ctx context.Context, path string) (*controlSocket, error) {
	listener, err := rundir.ListenSocket(ctx, path)
	if err != nil {
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("control socket: %w", err)}
	}
	file, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		return nil, err
	}
	return &controlSocket{path: path, file: file, listener: listener, served: make(chan struct{})}, nil
}

// serve answers from now on, until close.
func (c *controlSocket) serve(handler http.Handler) {
	c.server = &http.Server{Handler: handler, ReadHeaderTimeout: rundir.AskTime, MaxHeaderBytes: maxReportHeader}
	go func() {
		defer close(c.served)
		c.server.Serve(c.listener)
	}()
}

// closeTime is how long those who wait for an answer may take to get it.
const closeTime = time.Second

// close removes the socket, and returns those who wait for an answer the time to get it.
func (c *controlSocket) close() {
	if now, err := os.Lstat(c.path); err == nil && os.SameFile(now, c.file) {
		os.Remove(c.path)
	}
	if c.server == nil {
		c.listener.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	c.server.Shutdown(ctx)
	c.server.Close()
	<-c.served
}
