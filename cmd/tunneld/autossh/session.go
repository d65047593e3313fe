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
	request  interactive.Request
	files    interactive.Files
	terminal bool            // a person works with it on a terminal
	note     string          // for the person, each time
	stdio    config.Endpoint // of -W; zero: it is a session
	log      *Log
}

// Connection is what work is done on; *tunnel.Session.
type Connection interface {
	Path
	OpenSession(ctx context.Context) (interactive.Channel, error)
	OpenStdio(ctx context.Context, target config.Endpoint) (interactive.Channel, error)
	Reserve() (release func())
}

// NewWork returns the work that the words and the options ask for. The error is a *config.Error.
func NewWork(c *spec.Command, o *config.Options, log *Log) (w *Work, err error) {
	w = &Work{files: interactive.Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, stdio: o.Session.Stdio, log: log}
	if w.stdio != (config.Endpoint{}) {
		if o.Session.StdinNull {
			w.files.In = nil
		}
		return w, nil
	}
	if o.Session.Type == "none" {
		return nil, nil
	}
	in := os.Stdin
	if c.Background { // the terminal that is there now will not be
		in = nil
	}
	if w.request, w.note, err = interactive.For(o, strings.Join(c.RemoteCommand, " "), in, os.Environ()); err != nil {
		return nil, err
	}
	w.terminal = w.request.Terminal && interactive.IsTerminal(in)
	return w, nil
}

// HungUp reports whether the terminal is gone that a person worked on. For nil there was none.
func (w *Work) HungUp() bool { return w != nil && w.terminal && !interactive.IsTerminal(w.files.In) }

// Reserve has no program that rides on a connection (ControlMaster) be ahead of the session that w is, which ssh opens first. It is
// called before the connection joins the tunnel, and release when the session has ended. For nil, and for -W, there is none.
func (w *Work) Reserve(conn Connection) (release func()) {
	if w == nil || w.stdio != (config.Endpoint{}) {
		return func() {}
	}
	return conn.Reserve()
}

// Do does the work on one connection, and returns the status that ssh would exit with. ended is false where the connection
// ended first, or ctx.
func (w *Work) Do(ctx context.Context, conn Connection) (status int, ended bool) {
	if w.HungUp() {
		return interactive.StatusNone, true
	}
	if w.stdio != (config.Endpoint{}) {
		return w.pass(ctx, conn)
	}
	if w.note != "" {
		w.log.SSH(Info, w.note)
	}
	result, err := interactive.Run(ctx, opening(conn.OpenSession), w.request, w.files)
	switch {
	case err == nil, errors.Is(err, interactive.ErrDisconnected), errors.Is(err, interactive.ErrHungUp):
		return result.Status, true
	case wasLost(ctx, err):
		return 0, false
	case !errors.Is(err, interactive.ErrNoStatus):
		w.explain(err)
	}
	return result.Status, true
}

// opening has the end of the connection, which may not show yet, be told from other reasons why nothing is opened.
func opening(open func(context.Context) (interactive.Channel, error)) func(context.Context) (interactive.Channel, error) {
	return func(ctx context.Context) (interactive.Channel, error) {
		channel, err := open(ctx)
		var refused *ssh.OpenChannelError
		if err != nil && !errors.As(err, &refused) {
			err = fmt.Errorf("%w: %w", interactive.ErrLost, err)
		}
		return channel, err
	}
}

func wasLost(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, interactive.ErrLost)
}

// explain says why there is no work: the server refuses it, or our own files cannot be used.
func (w *Work) explain(err error) {
	var channel *ssh.OpenChannelError
	var request *interactive.RefusedError
	switch {
	case errors.As(err, &channel):
		w.log.SSH(Error, refusedWords(channel))
	case errors.As(err, &request):
		w.log.SSH(Error, err.Error()+" on channel 0")
	default:
		w.log.SSH(Error, "tunneld: "+err.Error())
	}
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
	err := interactive.Pipe(ctx, opening(open), interactive.Files{In: w.files.In, Out: w.files.Out})
	switch {
	case err == nil, errors.Is(err, interactive.ErrNoStatus):
		return 0, true
	case wasLost(ctx, err):
		return 0, false
	}
	w.explain(err)
	w.log.SSH(Error, "stdio forwarding failed")
	return interactive.StatusNone, true
}
