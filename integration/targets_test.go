package integration

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

// startTarget gives a server that runs serve for each connection and closes it afterwards.
func startTarget(t testing.TB, serve func(*net.TCPConn)) *target {
	t.Helper()
	l, err := net.Listen("tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	return startTargetOn(t, l, serve)
}

// startTargetOn is startTarget with a listener that exists; it closes it.
func startTargetOn(t testing.TB, l net.Listener, serve func(*net.TCPConn)) *target {
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

// address is host:port.
func (s *target) address() string { return s.listener.Addr().String() }

// echo sends everything back, and its end of stream when the client's has come.
func echo(c *net.TCPConn) { io.Copy(struct{ io.Writer }{c}, c) }

// The transfer protocol: the client sends 'G' or 'P', a seed and a size. After G the server sends the stream of that
// seed and closes. After P the client sends the stream and half-closes, and the server answers with a line that holds
// the checksum and the size of what came.
const (
	download = 'G'
	upload   = 'P'
)

// transfers serves the transfer protocol.
func transfers(c *net.TCPConn) {
	in := bufio.NewReaderSize(c, 64<<10)
	var head [17]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return
	}
	seed, size := binary.BigEndian.Uint64(head[1:]), binary.BigEndian.Uint64(head[9:])
	switch head[0] {
	case download:
		io.Copy(struct{ io.Writer }{c}, stream(seed, int64(size)))
	case upload:
		fmt.Fprintln(c, checksum(in))
	}
}

// transfer moves size bytes of a seed's stream over c by the transfer protocol and compares the checksums.
func transfer(c net.Conn, direction byte, seed uint64, size int64) error {
	head := append([]byte{direction}, binary.BigEndian.AppendUint64(nil, seed)...)
	head = binary.BigEndian.AppendUint64(head, uint64(size))
	if _, err := c.Write(head); err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	want := checksum(stream(seed, size))
	if direction == download {
		if got := checksum(c); got != want {
			return fmt.Errorf("received %s, want %s", got, want)
		}
		return nil
	}
	if _, err := io.Copy(struct{ io.Writer }{c}, stream(seed, size)); err != nil {
		return fmt.Errorf("sending the stream: %w", err)
	}
	if err := closeWrite(c); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if got := string(answer); got != want+"\n" {
		return fmt.Errorf("the server received %q (%v), want %s", got, err, want)
	}
	return nil
}

// echoTransfer sends size bytes to an echo server and reads them back at the same time, then compares checksums.
func echoTransfer(c net.Conn, seed uint64, size int64) error {
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(struct{ io.Writer }{c}, stream(seed, size))
		if err == nil {
			err = closeWrite(c)
		}
		sent <- err
	}()
	got, want := checksum(c), checksum(stream(seed, size))
	if err := <-sent; err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if got != want {
		return fmt.Errorf("echo was %s, want %s", got, want)
	}
	return nil
}

// stream gives the first size bytes of a seed's endless random stream.
func stream(seed uint64, size int64) io.Reader {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), size)
}

// checksum reads to the end and gives SHA-256, size and, where the end was not clean, the error.
func checksum(r io.Reader) string {
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if err != nil {
		return fmt.Sprintf("%x in %d bytes, then %v", sum.Sum(nil), n, err)
	}
	return fmt.Sprintf("%x in %d bytes", sum.Sum(nil), n)
}

// exchange sends a line to an echo server and waits for it to come back.
func exchange(c net.Conn, text string, limit time.Duration) error {
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

// closeWrite says that we have sent everything.
func closeWrite(c net.Conn) error {
	return c.(interface{ CloseWrite() error }).CloseWrite()
}
