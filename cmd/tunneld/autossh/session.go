package autossh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// Work is what there is to do on each connection besides the forwards: a shell, a command, or the connection of -W. nil: nothing.
type Work struct {
	request interactive.Request
	note    string          // for the person, each time
	stdio   config.Endpoint // of -W; zero: it is a session
	log     *Log
}

// Connection is what work is done on; *tunnel.Session.
type Connection interface {
	Path
	OpenSession(ctx context.Context) (interactive.Channel, error)
	OpenStdio(ctx context.Context, target config.Endpoint) (interactive.Channel, error)
}

// NewWork returns the work that the words and the options ask for. The error is a *config.Error.
func NewWork(c *spec.Command, o *config.Options, log *Log) (*Work, error) {
	if o.Session.Stdio != (config.Endpoint{}) {
		return &Work{stdio: o.Session.Stdio, log: log, request: interactive.Request{NoInput: o.Session.StdinNull}}, nil
	}
	if o.Session.Type == "none" {
		return nil, nil
	}
	in := os.Stdin
	if c.Background { // the terminal that is there now will not be
		in = nil
	}
	request, note, err := interactive.For(o, strings.Join(c.RemoteCommand, " "), in, os.Environ())
	if err != nil {
		return nil, err
	}
	return &Work{request: request, note: note, log: log}, nil
}

// Do does the work on one connection, and returns the status that ssh would exit with. ended is false where the connection
// ended first, or ctx.
func (w *Work) Do(ctx context.Context, conn Connection) (status int, ended bool) {
	if w.stdio != (config.Endpoint{}) {
		return w.pass(ctx, conn)
	}
	if w.note != "" {
		w.log.SSH(Info, w.note)
	}
	result, err := interactive.Run(ctx, conn.OpenSession, w.request, interactive.Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	var refused *ssh.OpenChannelError
	switch {
	case err == nil, errors.Is(err, interactive.ErrDisconnected):
		return result.Status, true
	case ctx.Err() != nil, errors.Is(err, interactive.ErrLost):
		return 0, false
	case errors.As(err, &refused):
		w.log.SSH(Error, refusedWords(refused))
	case errors.Is(err, interactive.ErrNoStatus):
	default:
		w.log.SSH(Error, err.Error()+" on channel 0")
	}
	return result.Status, true
}

// refusedWords are ssh's for a channel that the server does not open.
func refusedWords(e *ssh.OpenChannelError) string {
	return fmt.Sprintf("channel 0: open failed: %s: %s", openReason(e.Reason), e.Message)
}

// openReason words a refusal as ssh does (channels.c).
func openReason(reason ssh.RejectionReason) string {
	switch reason {
	case ssh.Prohibited:
		return "administratively prohibited"
	case ssh.ConnectionFailed:
		return "connect failed"
	case ssh.UnknownChannelType:
		return "unknown channel type"
	case ssh.ResourceShortage:
		return "resource shortage"
	}
	return "unknown reason"
}

// pass joins standard input and output to the connection of -W. Nothing reads or writes them once it has returned: the next
// connection gets what comes then.
func (w *Work) pass(ctx context.Context, conn Connection) (status int, ended bool) {
	open := func(ctx context.Context) (interactive.Channel, error) { return conn.OpenStdio(ctx, w.stdio) }
	files := interactive.Files{In: os.Stdin, Out: os.Stdout}
	if w.request.NoInput {
		files.In = nil
	}
	err := interactive.Pipe(ctx, open, files)
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused):
		w.log.SSH(Error, refusedWords(refused), "stdio forwarding failed")
		return interactive.StatusNone, true
	case err == nil, errors.Is(err, interactive.ErrNoStatus):
		return 0, true
	}
	return 0, false
}
