package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/tunneld/tunneld/tunnel/pace"
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
	early   []byte // goes to the channel before anything of conn
}

// ending is how the direction towards conn ended.
type ending int

const (
	cut    ending = iota // the bytes stopped without a proof that these were all
	passed               // the peer's end, which is passed on to conn
	deaf                 // conn took no more
)

// run copies both ways until both directions have ended. The end of one direction is passed on as such; when the session
// breaks or ctx is done, conn is reset. The calls into the library are in goroutines that end with the session if the
// library lets them, and nothing here waits for them longer than that.
func (s *splice) run(ctx context.Context) {
	s.channel.place.share() // the channel may be closed long before its bytes have gone to conn
	defer s.channel.place.leave()
	defer s.channel.Close()
	sent, received := make(chan error, 1), make(chan ending, 1)
	s.channel.session.run(func() {
		defer close(sent) // for whoever looks twice
		sent <- s.up()
	})
	s.channel.session.run(func() { received <- s.down(ctx) })
	var how ending
	select {
	case how = <-received:
	case <-s.channel.session.done:
	case <-s.channel.expired:
	case <-ctx.Done():
	}
	if how == cut {
		how = endingOf(received) // both may have come at once
	}
	s.finish(ctx, how, sent)
}

// endingOf returns what has been received by now, else cut.
func endingOf(received <-chan ending) ending {
	select {
	case how := <-received:
		return how
	default:
		return cut
	}
}

// finish ends conn after the direction towards it has ended.
func (s *splice) finish(ctx context.Context, how ending, sent <-chan error) {
	switch how {
	case cut:
		reset(s.conn)
	case deaf:
		s.sendRest(ctx, sent)
		s.conn.Close()
	case passed:
		select {
		case err := <-sent: // as most often: to close conn will do, and that the channel has ended as well need not be proven
			s.endOf(ctx, err)
			return
		default:
			s.conn.CloseWrite()
		}
		select {
		case err := <-sent:
			s.endOf(ctx, err)
			return
		case <-s.channel.ended:
			// Nobody reads what conn still sends: the peer closed the channel, or the session ended.
			s.end(s.channel.session.lives(ctx))
		case <-s.channel.session.done:
			reset(s.conn)
		case <-s.channel.expired:
			reset(s.conn)
		case <-ctx.Done():
			reset(s.conn)
		}
	}
	s.channel.Close() // so that what still writes there ends
	select {
	case <-sent:
	case <-s.channel.session.done:
	case <-ctx.Done():
	}
}

// sendRest waits until all that conn has sent is on its way to the peer, though conn takes no answer: its program may have said all
// that it wanted to and closed it, as it may with ssh. What the peer still says goes nowhere.
func (s *splice) sendRest(ctx context.Context, sent <-chan error) {
	s.channel.session.run(func() { discard(s.channel) }) // ends with the channel
	select {
	case <-sent:
	case <-s.channel.ended:
	case <-s.channel.session.done:
	case <-s.channel.expired:
	case <-ctx.Done():
	}
}

// endOf ends conn after both directions have ended, the one from it with err.
func (s *splice) endOf(ctx context.Context, err error) {
	s.end(err == nil || s.channel.session.lives(ctx))
}

// end closes conn: cleanly where all is proven, else by a reset.
func (s *splice) end(clean bool) {
	if clean {
		s.conn.Close()
		return
	}
	reset(s.conn)
}

// close ends both without having copied anything.
func (s *splice) close(ctx context.Context) {
	s.end(s.channel.session.lives(ctx))
	s.channel.Close()
}

// up copies from conn to the channel until conn's end, which is passed on: its EOF as EOF, a reset as a close.
// CloseWrite must come from the goroutine that writes (the library does not lock there).
func (s *splice) up() error {
	err := writePackets(s.channel, s.early, false)
	if err == nil {
		err = copyToChannel(s.channel, s.conn, &s.count.out)
	}
	var conn *connError
	switch {
	case errors.As(err, &conn):
		s.channel.Close()
		return err
	case err != nil: // the peer has closed the channel, or the session ends
		return err
	}
	err = s.channel.CloseWrite()
	if conn, ok := s.conn.(interface{ AwaitGone() bool }); ok && err == nil {
		s.channel.session.run(func() {
			if conn.AwaitGone() {
				s.channel.Close()
			}
		})
	}
	return err
}

// down copies from the channel to conn until the channel's end, or until conn takes no more. The channel's EOF is passed on once it
// is proven to be the peer's.
func (s *splice) down(ctx context.Context) ending {
	err := copyFromChannel(s.conn, s.channel, &s.count.in)
	var conn *connError
	switch {
	case errors.As(err, &conn):
		return deaf
	case err != nil || s.channel.stopped.Load() && s.channel.used.Load() || !s.proven(ctx):
		return cut // or it was us who closed it, in the midst of something
	}
	return passed
}

// proven reports whether an end is the peer's. Nobody is in a hurry where conn has ended before: most programs have closed it by
// then.
func (s *splice) proven(ctx context.Context) bool {
	if s.channel.silent.Load() {
		return s.channel.session.livesUnhurried(ctx)
	}
	return s.channel.session.lives(ctx)
}

// connError is an error of the connection on our side, not of the channel.
type connError struct{ error }

func (e *connError) Unwrap() error { return e.error }

// copyFromChannel copies until the channel's EOF, for which it returns nil. An error is conn's where it is a connError.
func copyFromChannel(conn io.Writer, ch io.Reader, count *atomic.Uint64) error {
	small := make([]byte, smallBuffer)
	for {
		n, err := ch.Read(small)
		if n > 0 {
			count.Add(uint64(n))
			if _, werr := conn.Write(small[:n]); werr != nil {
				return &connError{werr}
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
		if moved += n; moved >= bulk {
			pace.All.Carry()
		}
		if n > 0 {
			count.Add(uint64(n))
			if _, werr := conn.Write(large[:n]); werr != nil {
				return &connError{werr}
			}
		}
		if err != nil || n < smallBuffer || n < largeBuffer && moved < bulk {
			return err
		}
	}
}

// copyToChannel copies until conn's EOF, for which it returns nil. An error is conn's where it is a connError.
func copyToChannel(ch io.Writer, conn net.Conn, count *atomic.Uint64) error {
	from := readerOf(conn)
	for moved := 0; ; {
		large, n, err := from.next()
		var werr error
		if n > 0 {
			moved += n
			count.Add(uint64(n))
			werr = writePackets(ch, large[:n], moved >= bulk)
		}
		if large != nil {
			buffers.Put(large)
		}
		switch {
		case werr != nil:
			return werr
		case errors.Is(err, io.EOF) && n == 0:
			return nil
		case err != nil:
			return &connError{err}
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

// reset closes conn so that its peer sees an error and not an end; see unixconn for Unix sockets.
func reset(conn net.Conn) {
	switch c := conn.(type) {
	case interface{ Abort() }:
		c.Abort()
		return
	case interface{ SetLinger(int) error }:
		c.SetLinger(0)
	}
	conn.Close()
}
