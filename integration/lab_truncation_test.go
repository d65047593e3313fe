package integration

import "net"

// How connections die in TestTruncatedTransfersAreReset. What comes out of the channels is cut at any point.
var deaths = []struct {
	name string
	die  func(c *rawConn, n int) // n says which death it is
}{
	{"DISCONNECT", func(c *rawConn, n int) {
		c.send(msgDisconnect, uint32(11), "the server is being shut down", "")
		if n%2 == 0 {
			c.Conn.(*net.TCPConn).CloseWrite() // else the network stays
		}
	}},
	{"bad MAC", func(c *rawConn, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		packet := c.to.seal(rawMessage(msgChannelData, uint32(0), "damaged on its way"))
		packet[len(packet)-1-n%20]++
		c.Write(packet)
	}},
	{"garbage", func(c *rawConn, _ int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.Write(make([]byte, 4000))
	}},
	{"protocol error", func(c *rawConn, n int) {
		switch n % 4 {
		case 0:
			c.send(msgChannelData, uint32(99999), "for a channel that was never opened")
		case 1:
			c.send(msgNewKeys)
		case 2:
			c.send(msgChannelData, uint32(0), string(make([]byte, 1<<16)))
		case 3:
			c.send(msgChannelOpen, "cut")
		}
	}},
	{"FIN", func(c *rawConn, n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if n%2 == 0 { // in the middle of a packet
			packet := c.to.seal(rawMessage(msgChannelData, uint32(0), "half of this"))
			c.Write(packet[:len(packet)/2])
		}
		c.Conn.(*net.TCPConn).CloseWrite()
	}},
	{"RST", func(c *rawConn, _ int) { abort(c.Conn.(*net.TCPConn)) }},
}
