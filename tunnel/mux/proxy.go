package mux

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/interactive"
)

// maxProxied bounds the channels of one proxy client.
const maxProxied = 256

// proxyKinds are the channels that a proxy client may open.
var proxyKinds = map[string]bool{"session": true, "direct-tcpip": true, "direct-streamlocal@openssh.com": true}

// notProxied are requests for channels that the server would open to whoever asked: they could not be told from those of the
// tunnel, and no client gets its own agent or display that way. That would be the tunnel's agent.
var notProxied = map[string]bool{"auth-agent-req@openssh.com": true, "x11-req": true}

// proxy answers a C_PROXY: from here on the client speaks SSH itself (RFC 4254), without encryption. Its channels are opened
// anew on the tunnel and not passed on as they are, so that they are held through an outage and go where there is room.
func (c *client) proxy(ctx context.Context, id uint32) bool {
	if !c.begin() {
		return c.fail(id, "Multiple sessions not supported")
	}
	if c.send(newMessage(answerProxy, id)) != nil {
		return false
	}
	c.conn.SetDeadline(time.Time{}) // one that is left from an answer would cut the client off
	conn, channels, requests, err := ssh.NewControlClientConn(newProxied(c.conn))
	if err != nil {
		return false
	}
	defer conn.Close()
	c.running.Go(func() { refuseAll(requests) })
	c.serveChannels(ctx, channels)
	return false
}

// serveChannels serves the channels that a proxy client opens until it leaves, or ctx ends, which all of them are told then.
func (c *client) serveChannels(ctx context.Context, channels <-chan ssh.NewChannel) {
	ctx, end := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer end(errGone)
	places := make(chan struct{}, maxProxied)
	for {
		var open ssh.NewChannel
		select {
		case open = <-channels:
		case <-ctx.Done():
			return
		}
		if open == nil {
			return
		}
		select {
		case places <- struct{}{}:
			running.Go(func() {
				defer func() { <-places }()
				c.proxyChannel(ctx, open)
			})
		default:
			open.Reject(ssh.ResourceShortage, "too many channels")
		}
	}
}

// refuseAll answers what is asked of the whole connection: a proxy client has no forwards at the server. OpenSSH's client
// takes an answer of less than five bytes for a broken one.
func refuseAll(requests <-chan *ssh.Request) {
	for r := range requests {
		r.Reply(false, make([]byte, 4))
	}
}

// proxyChannel opens on the tunnel what the client wants to open, and joins the two.
func (c *client) proxyChannel(ctx context.Context, open ssh.NewChannel) {
	if !proxyKinds[open.ChannelType()] {
		open.Reject(ssh.UnknownChannelType, "not offered to proxy clients")
		return
	}
	far, err := c.master.tunnel.Open(ctx, open.ChannelType(), open.ExtraData())
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused):
		open.Reject(refused.Reason, refused.Message)
		return
	case err != nil:
		open.Reject(ssh.ConnectionFailed, printable(err.Error()))
		return
	}
	defer far.Close()
	near, requests, err := open.Accept()
	if err != nil {
		return
	}
	joinChannels(ctx, near, requests, far)
	switch { // what is cut must not look complete, and a channel has no other way to say so
	case ctx.Err() != nil: // the connection is closed when the others have ended
	case !far.Lives(ctx):
		c.conn.Close()
	default:
		near.Close()
	}
}

// joinChannels copies data, requests and the ends of both directions until either side has closed its channel, and what the
// client wrote before that has gone on. What then still waits in the library ends with the two connections.
func joinChannels(ctx context.Context, near ssh.Channel, requests <-chan *ssh.Request, far interactive.Channel) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.Copy(far, near)
		far.CloseWrite()
	}()
	var down sync.WaitGroup
	down.Go(func() { io.Copy(near, far) })
	down.Go(func() { io.Copy(near.Stderr(), far.Stderr()) })
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		passRequests(far.Requests(), near.SendRequest, make(chan struct{}, 1))
		down.Wait()
	}()
	go func() {
		if down.Wait(); far.Lives(ctx) {
			near.CloseWrite()
		}
	}()
	left, answering := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(left)
		passRequests(requests, func(name string, wantReply bool, payload []byte) (bool, error) {
			if notProxied[name] {
				return false, nil
			}
			return far.SendRequest(name, wantReply, payload)
		}, answering)
	}()
	select {
	case <-finished:
		select { // a command may end as soon as it has begun: that it has comes first
		case answering <- struct{}{}:
			<-answering
		case <-ctx.Done():
		}
	case <-left:
		select {
		case <-sent:
		case <-finished:
		case <-far.Lost():
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
}

// passRequests asks the other side what this one is asked, until this one has no more. answering is full while it does.
func passRequests(from <-chan *ssh.Request, ask func(string, bool, []byte) (bool, error), answering chan struct{}) {
	for r := range from {
		answering <- struct{}{}
		ok, err := ask(r.Type, r.WantReply, r.Payload)
		if r.WantReply {
			r.Reply(ok && err == nil, nil)
		}
		<-answering
	}
}

// proxied is a client's connection for a library that believes to be the client: it is greeted from memory, and what it says
// in greeting goes nowhere.
type proxied struct {
	net.Conn
	unread []byte // the rest of the greeting, later of a packet
	skip   int    // messages of its own that are not sent
}

// The library says HELLO and C_PROXY with request ID 0, and expects one answer to each (x/crypto/ssh control.go).
func newProxied(conn net.Conn) *proxied {
	greeting := append(newMessage(typeHello, protocolVersion).packet(), newMessage(answerProxy, 0).packet()...)
	return &proxied{Conn: conn, unread: greeting, skip: 2}
}

func (p *proxied) Read(b []byte) (int, error) {
	if len(p.unread) == 0 {
		packet, err := p.readPacket()
		if err != nil {
			return 0, err
		}
		p.unread = packet
	}
	n := copy(b, p.unread)
	p.unread = p.unread[n:]
	return n, nil
}

// errBadPacket ends a proxy client.
var errBadPacket = errors.New("a packet without a message, or one that is too long")

// readPacket reads a whole packet with its length. One without a message would be a panic in the library's own goroutine
// (x/crypto/ssh v0.58.0, mux.go:246), which nobody could recover from.
func (p *proxied) readPacket() ([]byte, error) {
	const head, padding = 4, 1
	packet := make([]byte, head)
	if _, err := io.ReadFull(p.Conn, packet); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(packet)
	if size <= padding || size > maxMessage {
		return nil, errBadPacket
	}
	packet = append(packet, make([]byte, size)...)
	_, err := io.ReadFull(p.Conn, packet[head:])
	return packet, err
}

func (p *proxied) Write(b []byte) (int, error) {
	if p.skip > 0 {
		p.skip--
		return len(b), nil
	}
	return p.Conn.Write(b)
}
