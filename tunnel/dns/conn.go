package dns

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

// prefixSize is the length that precedes each message on a stream (RFC 1035 §4.2.2).
const prefixSize = 2

// What follows is for whoever has a stream from Accept, to whom it is the net.Conn of a client.

// Await blocks until Read does not, so that a stream which is quiet holds no buffer.
func (s *stream) Await() {
	for !s.ready() {
		select {
		case <-s.wake:
		case <-s.left.Done():
		}
	}
}

// ready reports whether Read has something to return.
func (s *stream) ready() bool {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	if !s.ended {
		s.openLocked()
	}
	return s.ended || len(s.unsent) > 0 || len(s.rest) > 0
}

// Read returns queries, each behind its length. It blocks until there are some; the end of the stream is net.ErrClosed.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if n, err := s.next(p); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-s.wake:
		case <-s.left.Done():
		}
	}
}

// next returns as many queries as fit into p, and of the first whatever does.
func (s *stream) next(p []byte) (n int, err error) {
	n = copy(p, s.rest)
	s.rest = s.rest[n:]
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	if s.ended {
		return 0, net.ErrClosed
	}
	s.openLocked()
	for len(s.unsent) > 0 && len(s.rest) == 0 {
		q := s.unsent[0]
		if n > 0 && n+prefixSize+len(q.text) > len(p) {
			break
		}
		s.unsent, q.sent = s.unsent[1:], true
		framed := binary.BigEndian.AppendUint16(make([]byte, 0, prefixSize+len(q.text)), uint16(len(q.text)))
		framed = append(framed, q.text...)
		setID(framed[prefixSize:], q.wireID)
		fits := copy(p[n:], framed)
		n += fits
		s.rest = framed[fits:]
	}
	return n, nil
}

func (s *stream) openLocked() {
	if s.opened {
		return
	}
	s.opened, s.began = true, time.Now()
	if len(s.pending) == 0 {
		s.restLocked()
	}
}

// Write takes answers, each behind its length. What cannot be one ends the stream.
func (s *stream) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		want := prefixSize
		if len(s.partial) >= prefixSize {
			want += int(binary.BigEndian.Uint16(s.partial))
		}
		n := min(want-len(s.partial), len(p))
		s.partial, p = append(s.partial, p[:n]...), p[n:]
		switch length := len(s.partial); {
		case length == prefixSize && binary.BigEndian.Uint16(s.partial) < headerSize:
			s.CloseWrite()
			return 0, io.ErrUnexpectedEOF
		case length > prefixSize && length == prefixSize+int(binary.BigEndian.Uint16(s.partial)):
			if !s.answer(s.partial[prefixSize:]) {
				return 0, net.ErrClosed
			}
			s.partial = nil
		}
	}
	return written, nil
}

// CloseWrite says that no more answers come, after which a stream is of no use.
func (s *stream) CloseWrite() error {
	l := s.listener
	l.mu.Lock()
	all := s.endLocked(false)
	l.mu.Unlock()
	l.send(all)
	return nil
}

// Close ends the stream.
func (s *stream) Close() error {
	l := s.listener
	l.mu.Lock()
	all := s.endLocked(false)
	if !s.closed {
		s.closed = true
		l.open--
	}
	l.mu.Unlock()
	l.send(all)
	return nil
}

// LocalAddr returns where queries are taken.
func (s *stream) LocalAddr() net.Addr { return s.listener.Addr() }

// RemoteAddr returns where queries are taken: they come from several places.
func (s *stream) RemoteAddr() net.Addr { return s.listener.Addr() }

// SetDeadline does nothing: a query has a time of its own.
func (s *stream) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (s *stream) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }
