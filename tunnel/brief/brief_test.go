package brief

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a connection, one of them brief.
func pair(t testing.TB) (*Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := Of(near.(*net.TCPConn))
	if !ok {
		t.Fatal("no way to the socket")
	}
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far.(*net.TCPConn)
}

// All bytes arrive in order, whatever the size of a call, also where the peer is slow and where it sends at the same time.
func TestCarries(t *testing.T) {
	t.Parallel()
	c, far := pair(t)
	sent := make([]byte, 8<<20)
	rand.Read(sent)
	var all sync.WaitGroup
	all.Go(func() {
		io.CopyBuffer(struct{ io.Writer }{far}, struct{ io.Reader }{far}, make([]byte, 3000))
		far.CloseWrite()
	})
	all.Go(func() {
		for rest, size := sent, 1; len(rest) > 0; size = size*3%(3*Most) + 1 {
			n := min(size, len(rest))
			if written, err := c.Write(rest[:n]); written != n || err != nil {
				t.Errorf("wrote %d of %d, %v", written, n, err)
				return
			}
			rest = rest[n:]
		}
		c.CloseWrite()
	})
	var got bytes.Buffer
	if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{c}, make([]byte, Most)); err != nil {
		t.Error(err)
	}
	all.Wait()
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes came back that are not the %d that were sent", got.Len(), len(sent))
	}
}

// What ends a connection, or a wait, is told as net tells it.
func TestEnds(t *testing.T) {
	t.Parallel()
	one := make([]byte, 1)
	for name, c := range map[string]struct {
		end         func(c *Conn, far *net.TCPConn)
		read, write error // nil: not looked at
	}{
		"closed here": {func(c *Conn, _ *net.TCPConn) { c.Close() }, net.ErrClosed, net.ErrClosed},
		"too late":    {func(c *Conn, _ *net.TCPConn) { c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"ended there": {func(_ *Conn, far *net.TCPConn) { far.CloseWrite() }, io.EOF, nil},
		"reset there": {func(c *Conn, far *net.TCPConn) {
			far.SetLinger(0)
			far.Close()
		}, syscall.ECONNRESET, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, far := pair(t)
			c.end(conn, far)
			_, err := conn.Read(one)
			if !errors.Is(err, c.read) {
				t.Errorf("Read: %v, want %v", err, c.read)
			}
			var op *net.OpError
			if c.read != io.EOF && (!errors.As(err, &op) || op.Op != "read") {
				t.Errorf("Read: %#v", err)
			}
			if _, err = conn.Write(one); c.write != nil && (!errors.Is(err, c.write) || !errors.As(err, &op) || op.Op != "write") {
				t.Errorf("Write: %#v, want %v", err, c.write)
			}
		})
	}
}

// Who waits for bytes, or for room, is woken by the end.
func TestCloseWakes(t *testing.T) {
	t.Parallel()
	c, _ := pair(t)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	})
	waiting.Go(func() {
		for piece := make([]byte, Most); ; {
			if _, err := c.Write(piece); err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write: %v", err)
				}
				return
			}
		}
	})
	time.AfterFunc(50*time.Millisecond, func() { c.Close() })
	waiting.Wait()
}

func BenchmarkEcho(b *testing.B) {
	for _, way := range []string{"net", "brief"} {
		b.Run(way, func(b *testing.B) {
			near, far := pair(b)
			go io.CopyBuffer(struct{ io.Writer }{far}, struct{ io.Reader }{far}, make([]byte, 64))
			conn := net.Conn(near)
			if way == "net" {
				conn = near.TCPConn
			}
			one := make([]byte, 1)
			b.ReportAllocs()
			for b.Loop() {
				conn.Write(one)
				if _, err := conn.Read(one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// While a call is under way its descriptor is nobody else's, even where the connection is closed meanwhile: what is read and written
// without the poller's knowledge cannot come from another connection.
func TestNumberIsNobodyElses(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(syscall.RawConn, func(uintptr) bool) error{"read": syscall.RawConn.Read, "write": syscall.RawConn.Write} {
		t.Run(name, func(t *testing.T) {
			c, _ := pair(t)
			closed := make(chan struct{})
			err := call(c.raw, func(fd uintptr) bool {
				go func() {
					defer close(closed)
					c.Close()
				}()
				for c.SetDeadline(time.Time{}) == nil { // until it is closed, as far as others see
					runtime.Gosched()
				}
				for range 100 { // the lowest number that is free goes first
					other, _ := pair(t)
					other.raw.Control(func(number uintptr) {
						if number == fd {
							t.Errorf("%d is another connection's", fd)
						}
					})
				}
				return true
			})
			<-closed
			if err != nil {
				t.Error(err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: %v", err)
			}
		})
	}
}
