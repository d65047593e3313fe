package mux

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config/foreign"
	"github.com/tunneld/tunneld/tunnel/interactive"
)

// noEscape stands for no escape character at all.
const noEscape = 0xffffffff

// sessionID is what a client knows its session by. There is one for each control connection.
const sessionID = 0

// newSession takes a C_NEW_SESSION and has its session run beside the connection.
func (c *client) newSession(ctx context.Context, id uint32, rest fields) bool {
	r, x11, ok := readSession(rest)
	if !ok {
		return false
	}
	r.Shared = true
	r.Agent = r.Agent && c.master.tunnel.ForwardsAgent()
	return c.start(id, 3, func(files []*os.File) { c.runSession(ctx, id, r, x11, files) })
}

// newStdio takes a C_NEW_STDIO_FWD: `ssh -W`.
func (c *client) newStdio(ctx context.Context, id uint32, rest fields) bool {
	var reserved, host string
	var port uint32
	if !rest.texts(&reserved, &host) || !rest.numbers(&port) {
		return false
	}
	if len(host) > maxHost {
		c.fail(id, "the name of the target is too long")
		return false // what follows are descriptors
	}
	kind, payload := openPayload(host, port)
	return c.start(id, 2, func(files []*os.File) { c.runStdio(ctx, id, kind, payload, files) })
}

// perFile is how many descriptors a file of a client's costs: its own, and what it takes to wait for it (interactive).
const perFile = 2

// start receives the files of a session and has it run. The connection is closed behind it.
func (c *client) start(id uint32, files int, run func([]*os.File)) bool {
	if !c.begin() {
		return c.fail(id, "Multiple sessions not supported")
	}
	release, ok := c.master.tunnel.Admit(files * perFile)
	if !ok {
		c.dropFiles(files) // one who finds nobody to pass them to takes that for the end, and does not connect by itself
		c.fail(id, "tunneld: too many files are open")
		return false
	}
	passed, err := c.receiveFiles(files)
	if err != nil {
		release()
		c.fail(id, errNoFile.Error())
		return false
	}
	for _, f := range passed {
		leaveTerminal(f)
	}
	c.running.Go(func() {
		defer release()
		defer c.conn.Close() // the client ends at this: all that it is to see has been written
		defer closeAll(passed)
		run(passed)
	})
	return true
}

// readSession reads the fields of C_NEW_SESSION. The environment is passed on as the client has chosen it.
func readSession(rest fields) (r interactive.Request, wantsX11, ok bool) {
	var reserved string
	var tty, x11, agent, subsystem, escape uint32
	if !rest.texts(&reserved) || !rest.numbers(&tty, &x11, &agent, &subsystem, &escape) || !rest.texts(&r.Term, &r.Command) {
		return r, false, false
	}
	for len(rest) > 0 {
		pair, ok := rest.text()
		if !ok {
			return r, false, false
		}
		r.Env = append(r.Env, pair)
	}
	r.Terminal, r.Agent, r.Subsystem = tty != 0, agent != 0, subsystem != 0
	if escape < 256 && r.Terminal {
		r.Escape = byte(escape)
	}
	return r, x11 != 0, true
}

// runSession runs it to its end, which it tells the client.
func (c *client) runSession(ctx context.Context, id uint32, r interactive.Request, wantsX11 bool, files []*os.File) {
	opened := atomic.Bool{}
	r.Refused = func() {
		tell(files[2], "PTY allocation request failed\r\n")
		c.send(newMessage(answerTTYFailure, sessionID))
	}
	open := func(ctx context.Context) (interactive.Channel, error) {
		ch, err := c.open(ctx, id, "session", nil)
		if err != nil {
			return nil, err
		}
		if wantsX11 {
			tell(files[2], "X11 forwarding request failed: not supported by tunneld\r\n")
		}
		opened.Store(true)
		return ch, nil
	}
	result, err := interactive.Run(ctx, open, r, interactive.Files{In: files[0], Out: files[1], Err: files[2]})
	var refused *interactive.RefusedError
	switch {
	case !opened.Load():
		c.refuse(id, err)
	case errors.As(err, &refused):
		tell(files[2], refused.Error()+"\r\n")
	case err == nil && result.Signal.String() == "":
		c.send(newMessage(answerExit, sessionID, uint32(result.Status)))
	}
	if err != nil {
		c.master.log.Debug("session of a client ended", "err", err)
	}
}

// runStdio carries a client's standard input and output to where it asked.
func (c *client) runStdio(ctx context.Context, id uint32, kind string, payload []byte, files []*os.File) {
	opened := false
	open := func(ctx context.Context) (ch interactive.Channel, err error) {
		ch, err = c.open(ctx, id, kind, payload)
		opened = err == nil
		return ch, err
	}
	err := interactive.Pipe(ctx, open, interactive.Files{In: files[0], Out: files[1]})
	switch {
	case !opened:
		c.refuse(id, err)
	case err != nil: // the client ends with 0 all the same, as behind ssh's own master: it takes no message any more
		c.master.log.Debug("stdio forward of a client ended", "err", err)
	}
}

// open opens a channel, and tells the client that its session is open.
func (c *client) open(ctx context.Context, id uint32, kind string, payload []byte) (interactive.Channel, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	ch, err := c.master.tunnel.Open(ctx, kind, payload)
	if err != nil {
		return nil, err
	}
	if err := c.send(newMessage(answerOpened, id, sessionID)); err != nil {
		ch.Close()
		return nil, err
	}
	return ch, nil
}

// refuse says why there is no session. A client that is refused makes a connection of its own.
func (c *client) refuse(id uint32, err error) {
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) {
		c.master.log.Debug("session of a client refused by the server", "err", err)
		c.fail(id, "Session open refused by peer")
		return
	}
	c.master.log.Debug("session of a client not opened", "err", err)
	c.fail(id, "tunneld: "+err.Error())
}

// printable makes text fit for a person's terminal.
func printable(text string) string { return foreign.Own(text).String() }
