package lab

import (
	"net"
	"strconv"
	"sync"
	"testing"
)

// rawGateway is a raw server that forwards as sshd does, both ways, and can end a connection in the middle of it all in ways
// in which sshd does so only when it is broken.
type rawGateway struct {
	Server *rawServer

	mu    sync.Mutex // guards all below
	conns map[*gatewayConn]bool
}

// StartRawGateway serves on loopback until the test ends.
func StartRawGateway(t testing.TB) *rawGateway {
	t.Helper()
	g := &rawGateway{conns: make(map[*gatewayConn]bool)}
	g.Server = StartRawServer(t, g.serve)
	return g
}

// Die ends every connection in one of the deaths; n says which variant.
func (g *rawGateway) Die(death func(*RawConn, int), n int) {
	g.mu.Lock()
	var conns []*gatewayConn
	for c := range g.conns {
		conns = append(conns, c)
	}
	g.mu.Unlock()
	for _, c := range conns {
		death(c.RawConn, n)
	}
}

func (g *rawGateway) serve(raw *RawConn) {
	c := &gatewayConn{
		RawConn: raw, channels: make(map[uint32]*gatewayChannel), opening: make(map[uint32]*gatewayChannel), listeners: make(map[int]net.Listener),
	}
	g.mu.Lock()
	g.conns[c] = true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.conns, c)
		g.mu.Unlock()
		c.end()
	}()
	for {
		m, err := c.Read()
		if err != nil || c.handle(m) != nil {
			return
		}
	}
}

// gatewayConn is one connection of a client.
type gatewayConn struct {
	*RawConn
	working sync.WaitGroup

	state     sync.Mutex // guards all below
	over      bool
	last      uint32                     // our number of the last channel
	channels  map[uint32]*gatewayChannel // by our number
	opening   map[uint32]*gatewayChannel // that the client has not confirmed yet
	listeners map[int]net.Listener       // by port
}

// end closes all that belongs to the connection, and waits for it. Its clients see resets, as sshd's do when it dies.
func (c *gatewayConn) end() {
	c.Close()
	c.state.Lock()
	c.over = true
	for _, l := range c.listeners {
		l.Close()
	}
	for _, all := range []map[uint32]*gatewayChannel{c.channels, c.opening} {
		for _, ch := range all {
			ch.abort()
		}
	}
	c.state.Unlock()
	c.working.Wait()
}

// handle does what a message says.
func (c *gatewayConn) handle(m []byte) error {
	f := RawFields{m[1:]}
	switch m[0] {
	case MsgGlobalRequest:
		return c.request(f.Text(), f.Bool(), f)
	case MsgChannelOpen:
		return c.open(f.Text(), f)
	case MsgChannelConfirm, MsgChannelOpenFailure:
		c.answered(m[0] == MsgChannelConfirm, f)
	case MsgWindowAdjust, MsgChannelData, msgChannelEOF, msgChannelClose:
		if ch := c.channel(f.Uint32()); ch != nil {
			ch.handle(m[0], f)
		}
	}
	return nil
}

func (c *gatewayConn) channel(number uint32) *gatewayChannel {
	c.state.Lock()
	defer c.state.Unlock()
	return c.channels[number]
}

// request serves global requests: listeners, and keepalives.
func (c *gatewayConn) request(name string, answer bool, f RawFields) error {
	host, port := f.Text(), int(f.Uint32())
	var reply []any
	switch name {
	case "tcpip-forward":
		if l, err := net.Listen("tcp", Loopback(port)); err == nil {
			chosen := l.Addr().(*net.TCPAddr).Port
			reply = []any{msgRequestSuccess}
			if port == 0 {
				reply = append(reply, uint32(chosen))
			}
			c.state.Lock()
			c.listeners[chosen] = l
			c.state.Unlock()
			defer c.working.Go(func() { c.accept(l, host, chosen) }) // behind the answer
		}
	case "cancel-tcpip-forward":
		c.state.Lock()
		if l := c.listeners[port]; l != nil {
			l.Close()
			delete(c.listeners, port)
			reply = []any{msgRequestSuccess}
		}
		c.state.Unlock()
	}
	if !answer {
		return nil
	}
	if reply == nil {
		reply = []any{MsgRequestFailure}
	}
	return c.Send(reply...)
}

// accept opens a channel to the client for each connection.
func (c *gatewayConn) accept(l net.Listener, host string, port int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		ch := c.add(conn.(*net.TCPConn), c.opening)
		if ch == nil {
			abort(conn.(*net.TCPConn))
			return
		}
		c.Send(MsgChannelOpen, "forwarded-tcpip", ch.own, uint32(gatewayWindow), uint32(gatewayPacket), host, uint32(port), "127.0.0.1", uint32(1))
	}
}

// add numbers a new channel; nil where the connection has ended.
func (c *gatewayConn) add(conn *net.TCPConn, to map[uint32]*gatewayChannel) *gatewayChannel {
	c.state.Lock()
	defer c.state.Unlock()
	if c.over {
		return nil
	}
	c.last++
	ch := newGatewayChannel(c, c.last, conn)
	to[ch.own] = ch
	return ch
}

// answered begins a channel that the client has confirmed.
func (c *gatewayConn) answered(granted bool, f RawFields) {
	own := f.Uint32()
	c.state.Lock()
	ch := c.opening[own]
	delete(c.opening, own)
	if ch != nil && granted {
		c.channels[own] = ch
	}
	c.state.Unlock()
	switch {
	case ch == nil:
	case granted:
		theirs := f.Uint32()
		ch.granted(theirs, int64(f.Uint32()))
		ch.begin()
	default:
		ch.conn.Close()
	}
}

// open serves a channel that the client opens.
func (c *gatewayConn) open(kind string, f RawFields) error {
	theirs, window := f.Uint32(), int64(f.Uint32())
	f.Uint32() // the largest packet; ours are small
	host, port := f.Text(), int(f.Uint32())
	if kind != "direct-tcpip" {
		return c.Send(MsgChannelOpenFailure, theirs, uint32(3), "unknown channel type", "")
	}
	c.working.Go(func() {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			c.Send(MsgChannelOpenFailure, theirs, uint32(2), "Connection refused", "")
			return
		}
		ch := c.add(conn.(*net.TCPConn), c.channels)
		if ch == nil {
			abort(conn.(*net.TCPConn))
			return
		}
		ch.granted(theirs, window)
		c.Send(MsgChannelConfirm, theirs, ch.own, uint32(gatewayWindow), uint32(gatewayPacket))
		ch.begin()
	})
	return nil
}
