package mux

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tunneld/tunneld/tunnel/gone"
)

// times are how long a client may take.
type times struct {
	greet time.Duration // to say who it is, and to send the descriptors that it has announced
	idle  time.Duration // to ask for something without a session: stock clients ask all they want at once
	write time.Duration // to read an answer, for which there is room in its socket

	ask    time.Duration // when the master ends: to ask for what it has come for
	answer time.Duration // then: to be told that it cannot have it, or that it has ended
}

// usualTimes are what a person's machine needs that is busy with something else. The end of a tunnel waits for the last two.
var usualTimes = times{
	greet: 10 * time.Second, idle: time.Minute, write: 10 * time.Second,
	ask: 250 * time.Millisecond, answer: 2 * time.Second,
}

// client is one control connection.
type client struct {
	master  *Master
	conn    *net.UnixConn
	writing sync.Mutex
	greeted bool
	busy    atomic.Bool // it has a session
	running sync.WaitGroup
}

// serve answers the client until it leaves, or its session has ended. end ends ctx and with it what runs for the client.
func (c *client) serve(ctx context.Context, end context.CancelCauseFunc) {
	defer c.running.Wait()
	defer c.conn.Close()
	defer c.finish(end)
	if c.send(newMessage(typeHello, protocolVersion).text(infoExtension).text("0")) != nil {
		return
	}
	c.await(ctx, c.master.times.greet)
	for {
		request, err := readMessage(c.conn)
		if err != nil || !c.take(ctx, request) {
			return
		}
		if !c.busy.Load() {
			c.await(ctx, c.master.times.idle)
		}
	}
}

// await gives the client so long to say something, and less where ctx has ended.
func (c *client) await(ctx context.Context, limit time.Duration) {
	c.conn.SetReadDeadline(time.Now().Add(limit))
	if ctx.Err() != nil { // asked afterwards: hurry may have come before
		c.hurry()
	}
}

// hurry has a client that has no session ask for it soon, or be let go. One that has come to ask must not find the connection
// closed: see Master.Close.
func (c *client) hurry() {
	if !c.busy.Load() {
		c.conn.SetReadDeadline(time.Now().Add(c.master.times.ask))
	}
}

// finish ends what runs for the client, which may have a last word.
func (c *client) finish(end context.CancelCauseFunc) {
	end(errGone)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.running.Wait()
	}()
	within(c.master.times.answer, ended)
}

// take answers one request. It is false where the connection is to be closed: what was said is no request.
func (c *client) take(ctx context.Context, request fields) bool {
	kind, ok := request.number()
	if !ok {
		return false
	}
	if kind == typeHello || !c.greeted {
		return kind == typeHello && c.greet(request)
	}
	id, ok := request.number()
	return ok && c.answer(ctx, kind, id, request)
}

// greet checks the client's HELLO. It is false where it speaks another version, or greets twice.
func (c *client) greet(hello fields) bool {
	version, ok := hello.number()
	if !ok || version != protocolVersion || c.greeted {
		return false
	}
	c.greeted = true
	return true // extensions that we do not know do no harm
}

func (c *client) answer(ctx context.Context, kind, id uint32, rest fields) bool {
	switch kind {
	case requestAlive:
		return c.send(newMessage(answerAlive, id, uint32(os.Getpid()))) == nil
	case requestSession:
		return c.newSession(ctx, id, rest)
	case requestStdio:
		return c.newStdio(ctx, id, rest)
	case requestOpenForward:
		return c.openForward(ctx, id, rest)
	case requestCloseForward:
		return c.closeForward(ctx, id, rest)
	case requestTerminate:
		return c.terminate(id)
	case requestStop:
		c.master.log.Info("not listening on the ControlPath any more", "why", "a client asked for it (ssh -O stop); a reload listens again")
		c.master.StopListening()
		return c.ok(id)
	case requestInfo:
		return c.info(id, rest)
	case requestProxy:
		return c.proxy(ctx, id)
	}
	return c.fail(id, "unsupported request")
}

func (c *client) terminate(id uint32) bool {
	if err := c.master.tunnel.Terminate(); err != nil {
		return c.deny(id, err.Error())
	}
	return c.ok(id)
}

func (c *client) info(id uint32, rest fields) bool {
	about, ok := rest.text()
	if !ok {
		return false
	}
	text, known := c.master.tunnel.Info(about)
	if !known {
		return c.send(newMessage(answerInfo, id, 0).text("info type \""+printable(about)+"\" not supported")) == nil
	}
	return c.send(newMessage(answerInfo, id, 1).text(text)) == nil
}

// The three answers that every request may have. They are false where the client does not read.
func (c *client) ok(id uint32) bool { return c.send(newMessage(answerOK, id)) == nil }

func (c *client) fail(id uint32, why string) bool {
	return c.send(newMessage(answerFailure, id).text(printable(why))) == nil
}

func (c *client) deny(id uint32, why string) bool {
	return c.send(newMessage(answerDenied, id).text(printable(why))) == nil
}

// send writes one message. One that is not read in time is the end of the connection.
func (c *client) send(m message) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.conn.SetWriteDeadline(time.Now().Add(c.master.times.write))
	_, err := c.conn.Write(m.packet())
	if err != nil {
		c.conn.Close()
	}
	return err
}

// errGone ends what a client waited for that has left.
var errGone = errors.New("the client has left")

// whileHere returns a context that ends when the client leaves, for what keeps its requests from being read. stop must be called
// before the next is.
func (c *client) whileHere(ctx context.Context) (here context.Context, stop func()) {
	c.conn.SetReadDeadline(time.Time{}) // it is us who take our time
	here, end := context.WithCancelCause(ctx)
	unwatch := gone.Watch(c.conn, func() { end(errGone) })
	return here, func() {
		unwatch()
		end(nil)
	}
}

// begin makes the client one with a session. It is false where it is one already.
func (c *client) begin() bool {
	if c.busy.Swap(true) {
		return false
	}
	c.conn.SetReadDeadline(time.Time{}) // it may go on for as long as it likes
	return true
}
