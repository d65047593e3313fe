package lab

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// target is a TCP server that the far end of a forward connects to.
type target struct {
	listener net.Listener

	mu    sync.Mutex
	conns []*net.TCPConn
	wg    sync.WaitGroup
}

// StartTarget returns a server that runs serve for each connection and closes it afterwards.
func StartTarget(t testing.TB, serve func(*net.TCPConn)) *target {
	t.Helper()
	l, err := net.Listen("tcp", Loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	return StartTargetOn(t, l, serve)
}

// StartTargetOn is startTarget with a listener that exists; it closes it.
func StartTargetOn(t testing.TB, l net.Listener, serve func(*net.TCPConn)) *target {
	t.Helper()
	s := &target{listener: l}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := conn.(*net.TCPConn)
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

// Address is host:port.
func (s *target) Address() string { return s.listener.Addr().String() }

// Echo sends everything back, and its end of stream when the client's has come.
func Echo(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, c) }

// The transfer protocol: the client sends 'G' or 'P', a seed and a size. After G the server sends the stream of that
// seed and closes. After P the client sends the stream and half-closes, and the server answers with a line that holds
// the checksum and the size of what came.
const (
	Download = 'G'
	Upload   = 'P'
)

// Transfers serves the transfer protocol.
func Transfers(c *net.TCPConn) {
	in := bufio.NewReaderSize(c, 64<<10)
	var head [17]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return
	}
	seed, size := binary.BigEndian.Uint64(head[1:]), binary.BigEndian.Uint64(head[9:])
	switch head[0] {
	case Download:
		io.Copy(struct{ io.Writer }{c}, Stream(seed, int64(size)))
	case Upload:
		fmt.Fprintln(c, checksum(in))
	}
}

// Transfer moves size bytes of a seed's stream over c by the transfer protocol and compares the checksums.
func Transfer(c net.Conn, direction byte, seed uint64, size int64) error {
	head := append([]byte{direction}, binary.BigEndian.AppendUint64(nil, seed)...)
	head = binary.BigEndian.AppendUint64(head, uint64(size))
	if _, err := c.Write(head); err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	want := checksum(Stream(seed, size))
	if direction == Download {
		if got := checksum(c); got != want {
			return fmt.Errorf("received %s, want %s", got, want)
		}
		return nil
	}
	if _, err := io.Copy(struct{ io.Writer }{c}, Stream(seed, size)); err != nil {
		return fmt.Errorf("sending the stream: %w", err)
	}
	if err := CloseWrite(c); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	switch got := string(answer); {
	case got == want+"\n":
		return nil
	case err != nil:
		return fmt.Errorf("the server received %q, want %s: %w", got, want, err)
	default:
		return fmt.Errorf("the server received %q, want %s", got, want)
	}
}

// EchoTransfer sends size bytes to an echo server and reads them back at the same time, then compares checksums.
func EchoTransfer(c net.Conn, seed uint64, size int64) error {
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(struct{ io.Writer }{c}, Stream(seed, size))
		if err == nil {
			err = CloseWrite(c)
		}
		sent <- err
	}()
	got, want := checksum(c), checksum(Stream(seed, size))
	if err := <-sent; err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if got != want {
		return fmt.Errorf("echo was %s, want %s", got, want)
	}
	return nil
}

// Stream returns the first size bytes of a seed's endless random stream.
func Stream(seed uint64, size int64) io.Reader {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// checksum reads to the end and returns SHA-256, size and, where the end was not clean, the error.
func checksum(r io.Reader) string {
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err != nil {
		return fmt.Sprintf("%x in %d bytes, then %v", sum.Sum(nil), n, err)
	}
	return fmt.Sprintf("%x in %d bytes", sum.Sum(nil), n)
}

// Exchange sends a line to an echo server and waits for it to come back.
func Exchange(c net.Conn, text string, limit time.Duration) error {
	c.SetDeadline(time.Now().Add(limit))
	defer c.SetDeadline(time.Time{})
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("waiting for the echo of %q: %w", text, err)
	}
	if string(got) != text {
		return fmt.Errorf("echo of %q was %q", text, got)
	}
	return nil
}

// CloseWrite says that we have sent everything.
func CloseWrite(c net.Conn) error {
	return c.(interface{ CloseWrite() error }).CloseWrite()
}
