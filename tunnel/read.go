package tunnel

import (
	"io"
	"net"
	"syscall"

	"github.com/tunneld/tunneld/tunnel/brief"
	"github.com/tunneld/tunneld/tunnel/unixconn"
)

// reader waits until a connection has bytes and only then takes a large buffer from the pool, so that an idle connection
// holds none.
type reader struct {
	conn  net.Conn
	raw   syscall.RawConn                // of conn; nil: it has no descriptor
	read  func(int, []byte) (int, error) // from its descriptor, without waiting
	once  func(uintptr) bool             // now
	much  bool                           // the last read was a full one
	large *[largeBuffer]byte             // what now has taken
	n     int                            // what it has read
	err   error                          // what it has met
}

func readerOf(conn net.Conn) *reader {
	r := &reader{conn: conn, read: brief.Read}
	if own, ok := conn.(interface {
		ReadNow(fd int, b []byte) (int, error)
	}); ok {
		r.read = own.ReadNow
	}
	if raw, ok := brief.Raw(conn); ok {
		r.raw, r.once = raw, r.now
	}
	return r
}

// next returns a buffer with what has come. The caller puts the buffer back; it is nil where nothing was read. The end is
// io.EOF.
func (r *reader) next() (*[largeBuffer]byte, int, error) {
	if r.raw == nil {
		if own, ok := r.conn.(interface{ Await() }); ok {
			own.Await()
		}
		large := buffers.Get().(*[largeBuffer]byte)
		n, err := r.conn.Read(large[:])
		return large, n, err
	}
	r.large, r.n, r.err = nil, 0, nil
	ended := r.raw.Read(r.once)
	large := r.large
	r.large = nil
	switch {
	case ended != nil:
		return large, 0, ended
	case r.err != nil:
		return large, 0, r.err
	case r.n == 0:
		return large, 0, io.EOF
	}
	return large, r.n, nil
}

// now reads without waiting. It is false where nothing has come. It asks for little until there is more than that.
func (r *reader) now(fd uintptr) bool {
	large := buffers.Get().(*[largeBuffer]byte)
	p := large[:]
	if !r.much {
		p = large[:brief.Few]
	}
	r.n, r.err = r.read(int(fd), p)
	if r.err == syscall.EAGAIN {
		buffers.Put(large)
		r.n, r.err = 0, nil
		return false
	}
	r.much = r.n == len(p) || r.much && r.n > brief.Few
	r.large = large
	return true
}

// quick returns conn in a form whose reads and writes are brief, and which reset can reset.
func quick(conn stream) stream {
	switch conn := conn.(type) {
	case *net.TCPConn:
		if c, ok := brief.Of(conn); ok {
			return c
		}
	case *net.UnixConn:
		return unixconn.Of(conn)
	}
	return conn
}
