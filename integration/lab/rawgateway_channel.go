package lab

import (
	"io"
	"net"
	"sync"
)

// What the gateway grants its clients, in bytes.
const (
	gatewayWindow = 1 << 20
	gatewayPacket = 32 << 10
	gatewayPiece  = 8 << 10 // that it sends at once
)

// gatewayChannel joins a channel and a TCP connection.
type gatewayChannel struct {
	c    *gatewayConn
	own  uint32 // our number
	conn *net.TCPConn

	mu     sync.Mutex // guards all below
	change sync.Cond  // of window, queue, ended or over
	theirs uint32     // the client's number
	window int64      // what may be sent
	queue  [][]byte   // what the client has sent; the window that we grant bounds it
	ended  bool       // the client has sent its EOF
	sent   bool       // our EOF
	taken  bool       // the client's EOF has been passed on
	over   bool       // the client has closed, or the connection has ended

	sending sync.Mutex // guards the following, and is held while something is sent: nothing may follow a CLOSE
	closed  bool       // our CLOSE is sent
}

func newGatewayChannel(c *gatewayConn, own uint32, conn *net.TCPConn) *gatewayChannel {
	ch := &gatewayChannel{c: c, own: own, conn: conn}
	ch.change.L = &ch.mu
	return ch
}

// granted records what the client has said of the channel.
func (ch *gatewayChannel) granted(theirs uint32, window int64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.theirs = theirs
	ch.window = window
}

// begin carries both ways.
func (ch *gatewayChannel) begin() {
	ch.c.working.Go(ch.fromConn)
	ch.c.working.Go(ch.intoConn)
}

// handle does what a message for this channel says.
func (ch *gatewayChannel) handle(kind byte, f RawFields) {
	ch.mu.Lock()
	switch kind {
	case MsgWindowAdjust:
		ch.window += int64(f.Uint32())
	case MsgChannelData:
		ch.queue = append(ch.queue, []byte(f.Text()))
	case msgChannelEOF:
		ch.ended = true
	}
	done := ch.sent && ch.taken
	ch.change.Broadcast()
	ch.mu.Unlock()
	if kind == msgChannelClose {
		if !done { // what was under way is reset
			ch.abort()
		}
		ch.sayClose()
		ch.c.state.Lock()
		delete(ch.c.channels, ch.own)
		ch.c.state.Unlock()
	}
}

// fromConn sends what the connection says, as far as the window goes, and its end.
func (ch *gatewayChannel) fromConn() {
	piece := make([]byte, gatewayPiece)
	for ch.room() {
		n, err := ch.conn.Read(piece)
		if n > 0 {
			ch.mu.Lock()
			ch.window -= int64(n)
			ch.mu.Unlock()
			ch.say(MsgChannelData, piece[:n])
		}
		if err == io.EOF {
			ch.say(msgChannelEOF)
			ch.done(&ch.sent)
			return
		}
		if err != nil { // a CLOSE without an EOF tells the client
			break
		}
	}
	ch.abort()
	ch.sayClose()
}

// room waits until a piece may be sent; false when the channel is over.
func (ch *gatewayChannel) room() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for ch.window < gatewayPiece && !ch.over {
		ch.change.Wait()
	}
	return !ch.over
}

// intoConn passes on what the client says, and its end.
func (ch *gatewayChannel) intoConn() {
	for {
		data := ch.next()
		if data == nil {
			ch.conn.CloseWrite()
			break
		}
		if _, err := ch.conn.Write(data); err != nil {
			break
		}
		ch.say(MsgWindowAdjust, uint32(len(data)))
	}
	ch.done(&ch.taken)
}

// next waits for what the client says; nil: no more comes.
func (ch *gatewayChannel) next() []byte {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for len(ch.queue) == 0 && !ch.ended && !ch.over {
		ch.change.Wait()
	}
	if len(ch.queue) == 0 || ch.over {
		return nil
	}
	data := ch.queue[0]
	ch.queue = ch.queue[1:]
	return data
}

// done notes the end of a direction, and closes with the second.
func (ch *gatewayChannel) done(direction *bool) {
	ch.mu.Lock()
	*direction = true
	both := ch.sent && ch.taken
	ch.mu.Unlock()
	if both {
		ch.conn.Close()
		ch.sayClose()
	}
}

func (ch *gatewayChannel) sayClose() {
	ch.say(msgChannelClose)
}

// say sends a message for this channel, unless our CLOSE was sent (RFC 4254 §5.3).
func (ch *gatewayChannel) say(kind byte, rest ...any) {
	ch.sending.Lock()
	defer ch.sending.Unlock()
	if ch.closed {
		return
	}
	ch.closed = kind == msgChannelClose
	ch.c.Send(append([]any{kind, ch.theirs}, rest...)...)
}

// abort resets the connection, and ends both directions.
func (ch *gatewayChannel) abort() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.over {
		return
	}
	ch.over = true
	ch.change.Broadcast()
	abort(ch.conn)
}
