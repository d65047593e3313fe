package lab

import "net"

// How connections die in TestTruncatedTransfersAreReset. What comes out of the channels is cut at any point.
var Deaths = []struct {
	Name string
	Die  func(c *RawConn, n int) // n says which death it is
}{
	{"DISCONNECT", func(c *RawConn, n int) {
		c.Send(MsgDisconnect, uint32(11), "the server is being shut down", "")
		if n%2 == 0 {
			c.Conn.(*net.TCPConn).CloseWrite() // else the network stays
		}
	}},
	{"bad MAC", func(c *RawConn, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		packet := c.to.Seal(RawMessage(MsgChannelData, uint32(0), "damaged on its way"))
		packet[len(packet)-1-n%20]++
		c.Write(packet)
	}},
	{"garbage", func(c *RawConn, _ int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.Write(make([]byte, 4000))
	}},
	{"protocol error", func(c *RawConn, n int) {
		switch n % 4 {
		case 0:
			c.Send(MsgChannelData, uint32(99999), "for a channel that was never opened")
		case 1:
			c.Send(msgNewKeys)
		case 2:
			c.Send(MsgChannelData, uint32(0), string(make([]byte, 1<<16)))
		case 3:
			c.Send(MsgChannelOpen, "cut")
		}
	}},
	{"FIN", func(c *RawConn, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n%2 == 0 { // in the middle of a packet
			packet := c.to.Seal(RawMessage(MsgChannelData, uint32(0), "half of this"))
			c.Write(packet[:len(packet)/2])
		}
		c.Conn.(*net.TCPConn).CloseWrite()
	}},
	{"RST", func(c *RawConn, _ int) { abort(c.Conn.(*net.TCPConn)) }},
}
