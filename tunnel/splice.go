package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// stream is a connection that can end in one direction: *net.TCPConn and *net.UnixConn.
type stream interface {
	net.Conn
	CloseWrite() error
}

// The sizes of copy buffers. Large ones come from a pool and are held only while bytes flow; a connection that waits for
// the server holds the small one.
const (
	largeBuffer = 128 << 10
	smallBuffer = 2 << 10
)

// What a connection may cost in memory while it is quiet depends on what it has carried: below bulk it is kept small.
const (
	bulk         = 1 << 20 // bytes in one go that make speed worth more than memory
	smallPackets = 8 << 10 // largest packet before that: the library keeps each channel's largest for good (channel.go:263)
)

var buffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// splice joins a TCP or Unix connection of ours and an SSH channel. It owns both and closes both.
type splice struct {
	conn    stream
	channel *channel
	count   *counter
}

// run copies both ways until both directions have ended. The end of one direction is passed on as such; when the session
// breaks, conn is reset.
func (s *splice) run() {
	s.channel.place.share() // the channel may be closed long before its bytes have gone to conn
	defer s.channel.place.leave()
	defer s.close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.up()
	}()
	s.down()
	select {
	case <-sent:
	case <-s.channel.ended:
		// Nobody reads what conn still sends: the peer closed the channel, or the session ended.
		s.closeConn()
		<-sent
	}
}

func (s *splice) close() {
	s.closeConn()
	s.channel.Close()
}

func (s *splice) closeConn() {
	if s.channel.session.broken() {
		reset(s.conn)
		return
	}
	s.conn.Close()
}

// up copies from conn to the channel until conn's end, which is passed on: its EOF as EOF, a reset as a close.
// CloseWrite must come from the goroutine that writes (the library does not lock there).
func (s *splice) up() error {
	err := copyToChannel(s.channel, s.conn, &s.count.out)
	if err != nil {
		s.channel.Close()
		return err
	}
	return s.channel.CloseWrite()
}

// down copies from the channel to conn until the channel's end, which is passed on: EOF as EOF, the end of the session as
// a reset. When conn takes no more, the channel is closed.
func (s *splice) down() error {
	err := copyFromChannel(s.conn, s.channel, &s.count.in)
	switch {
	case err != nil:
		s.channel.Close()
		s.closeConn()
		return err
	case s.channel.brokeOff():
		reset(s.conn)
		return errSessionDown
	}
	return s.conn.CloseWrite()
}

// copyFromChannel copies until the channel's EOF, which gives nil. An error is conn's.
func copyFromChannel(conn io.Writer, ch io.Reader, count *atomic.Uint64) error {
	small := make([]byte, smallBuffer)
	for {
		n, err := ch.Read(small)
		if n > 0 {
			count.Add(uint64(n))
			if _, werr := conn.Write(small[:n]); werr != nil {
				return werr
			}
		}
		if err == nil && n == len(small) {
			err = burstFromChannel(conn, ch, count)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// burstFromChannel copies with a large buffer until all that came has been taken; a bulk transfer keeps it a little longer,
// to wait for more in it.
func burstFromChannel(conn io.Writer, ch io.Reader, count *atomic.Uint64) error {
	large := buffers.Get().(*[largeBuffer]byte)
	defer buffers.Put(large)
	for moved := 0; ; {
		n, err := ch.Read(large[:])
		moved += n
		if n > 0 {
			count.Add(uint64(n))
			if _, werr := conn.Write(large[:n]); werr != nil {
				return werr
			}
		}
		if err != nil || n < smallBuffer || n < largeBuffer && moved < bulk {
			return err
		}
	}
}

// copyToChannel copies until conn's EOF, which gives nil.
func copyToChannel(ch io.Writer, conn net.Conn, count *atomic.Uint64) error {
	next := readerOf(conn)
	for moved := 0; ; {
		large, n, err := next()
		if n > 0 {
			moved += n
			count.Add(uint64(n))
			if werr := writePackets(ch, large[:n], moved >= bulk); werr != nil {
				err = werr
			}
		}
		if large != nil {
			buffers.Put(large)
		}
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return nil
		case err != nil:
			return err
		}
	}
}

// writePackets writes p, in packets that the library cuts as large as it can, or in small ones.
func writePackets(ch io.Writer, p []byte, large bool) error {
	size := smallPackets
	if large {
		size = len(p)
	}
	for len(p) > 0 {
		n := min(size, len(p))
		if _, err := ch.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// reset closes conn so that its peer sees an error and not an end; see unixStream for Unix sockets.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case *net.TCPConn:
		c.SetLinger(0)
	case interface{ abort() }:
		c.abort()
		return
	}
	conn.Close()
}
