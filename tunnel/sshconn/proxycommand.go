package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/config/procgroup"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/hook"
)

const (
	proxyGrace = 300 * time.Millisecond // between asking a ProxyCommand to end and killing it
	proxyWords = 200 * time.Millisecond // how long its exit status may take after its output has ended
	proxyHeirs = 100 * time.Millisecond // how much longer, where a child holds its standard error open
)

// proxyProcess is a running ProxyCommand: its standard input and output are the connection.
type proxyProcess struct {
	in     *os.File // we write, it reads
	out    *os.File // it writes, we read
	cmd    *exec.Cmd
	stderr *hook.Lines
	exited chan struct{} // closed when it has been waited for

	stopping sync.Once
	state    error // of exec.Cmd.Wait; read after exited
}

// throughProxy starts the ProxyCommand as OpenSSH does: by the user's shell, which it replaces.
func (a *attempt) throughProxy() (*proxyProcess, error) {
	begun, o := time.Now(), a.options
	p, err := startProxy(a.dialer.Shell, o.ProxyCommand, a.log)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = &fault.Error{
			Phase: fault.PhaseConfig, Permanent: true, Where: o.Peer(),
			Err:  fmt.Errorf("ProxyCommand: no shell to run it: %w", err),
			Hint: "use ProxyJump, which needs no other program, or an image that has a shell and what ProxyCommand names",
		}
	case err != nil:
		err = &fault.Error{Phase: fault.PhaseDial, Where: o.Peer(), Err: fmt.Errorf("ProxyCommand: %w", err)}
	}
	a.trace("proxy command", begun, o.ProxyCommand, err)
	return p, err
}

func startProxy(shell, command string, log *slog.Logger) (*proxyProcess, error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	p := &proxyProcess{in: in, out: out, stderr: &hook.Lines{Log: log, Level: slog.LevelWarn, Name: "proxycommand"}, exited: make(chan struct{})}
	p.cmd = procgroup.ByShell(context.Background(), shell, command, true) // it lives as long as the connection
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirIn, theirOut, p.stderr
	p.cmd.WaitDelay = proxyHeirs
	procgroup.Lead(p.cmd)
	err = p.cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	log.Debug("proxy command started", "command", command, "pid", p.cmd.Process.Pid)
	go func() {
		p.state = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Read implements net.Conn. When the command has ended, its exit status is the error.
func (p *proxyProcess) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	return n, p.explain(err)
}

// Write implements net.Conn. When the command has ended, its exit status is the error.
func (p *proxyProcess) Write(b []byte) (int, error) {
	n, err := p.in.Write(b)
	return n, p.explain(err)
}

// explain turns the end of a pipe into the exit status that is behind it.
func (p *proxyProcess) explain(err error) error {
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	late := time.NewTimer(proxyWords)
	defer late.Stop()
	select {
	case <-p.exited:
		return &proxyError{p.cmd.ProcessState.String(), p.stderr.Last(), err}
	case <-late.C:
		return fmt.Errorf("ProxyCommand closed the connection: %w", err)
	}
}

// proxyError is a ProxyCommand that ended by itself.
type proxyError struct {
	status string       // "exit status 1", "signal: killed"
	words  foreign.Text // the last line of its standard error; may be empty
	err    error
}

func (e *proxyError) Error() string {
	text := "ProxyCommand ended (" + e.status + ")"
	if words := e.words.String(); words != "" {
		text += ": " + words
	}
	return text
}

func (e *proxyError) Unwrap() error { return e.err }

// Close closes the pipes and asks the command, and whatever it started, to end. It does not wait: see stop.
func (p *proxyProcess) Close() error {
	p.stopping.Do(func() {
		p.in.Close()
		p.out.Close()
		select {
		case <-p.exited: // its number may be somebody else's by now
		default:
			procgroup.HangUp(p.cmd)
		}
	})
	return nil
}

// stop closes, and waits until the command has ended, by force after proxyGrace.
func (p *proxyProcess) stop() {
	p.Close()
	late := time.NewTimer(proxyGrace)
	defer late.Stop()
	select {
	case <-p.exited:
	case <-late.C:
		procgroup.Kill(p.cmd)
		<-p.exited
	}
}

// LocalAddr implements net.Conn: there is none.
func (p *proxyProcess) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn: there is none.
func (p *proxyProcess) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (p *proxyProcess) SetDeadline(t time.Time) error {
	return errors.Join(p.in.SetWriteDeadline(t), p.out.SetReadDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (p *proxyProcess) SetReadDeadline(t time.Time) error { return p.out.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (p *proxyProcess) SetWriteDeadline(t time.Time) error { return p.in.SetWriteDeadline(t) }
