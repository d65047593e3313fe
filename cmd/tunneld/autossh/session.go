package autossh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/tunnel"
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
	Connect(ctx context.Context, target config.Endpoint) (tunnel.Stream, error)
	Keepalive(ctx context.Context) (time.Duration, error)
}

// NewWork returns the work that the words and the options ask for. The error is a *config.Error.
func NewWork(c *spec.Command, o *config.Options, log *Log) (*Work, error) {
	if o.Session.Stdio != (config.Endpoint{}) {
		return &Work{stdio: o.Session.Stdio, log: log}, nil
	}
	if o.Session.Type == "none" {
		return nil, nil
	}
	request, note, err := interactive.For(o, strings.Join(c.RemoteCommand, " "), os.Stdin, os.Environ())
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

// pass joins standard input and output to the connection of -W.
func (w *Work) pass(ctx context.Context, conn Connection) (status int, ended bool) {
	stream, err := conn.Connect(ctx, w.stdio)
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		w.log.SSH(Error, refusedWords(refused), "stdio forwarding failed")
		return interactive.StatusNone, true
	}
	if err != nil {
		return 0, false
	}
	defer stream.Close()
	go func() { // it ends with the process at the latest: nothing ends a read of somebody else's file
		io.Copy(stream, os.Stdin)
		stream.CloseWrite()
	}()
	io.Copy(os.Stdout, stream)
	// An end that the connection did not live after is its own: the library ends all channels before it says why.
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	_, err = conn.Keepalive(ctx)
	return 0, err == nil
}

// proofTime is what a server gets to show that it lives after the end of what it sent.
const proofTime = 10 * time.Second
