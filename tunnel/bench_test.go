package tunnel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
)

// benchmarkPiece is how much a program writes at once that has much to write.
const benchmarkPiece = 128 << 10

// loopback returns both ends of a connection, the first as a forward has it.
func loopback(b *testing.B) (stream, net.Conn) {
	b.Helper()
	near := make(chan net.Conn, 1)
	far := target(b, func(conn *net.TCPConn) {
		near <- conn
		<-b.Context().Done()
	})
	conn := dialTo(b, endpointText(far))
	return quick(conn), <-near
}

// packets brings so many bytes, as an SSH channel does: 32 KiB at a time.
type packets struct{ left int }

func (z *packets) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left, 32<<10)
	z.left -= n
	return n, nil
}

func BenchmarkCopyFromChannel(b *testing.B) {
	near, far := loopback(b)
	go io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{far}, make([]byte, benchmarkPiece))
	b.SetBytes(benchmarkPiece)
	b.ReportAllocs()
	b.ResetTimer()
	var count atomic.Uint64
	if err := copyFromChannel(near, &packets{b.N * benchmarkPiece}, &count); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCopyToChannel(b *testing.B) {
	near, far := loopback(b)
	go func() {
		io.CopyBuffer(struct{ io.Writer }{far}, &packets{b.N * benchmarkPiece}, make([]byte, benchmarkPiece))
		far.(*net.TCPConn).CloseWrite()
	}()
	b.SetBytes(benchmarkPiece)
	b.ReportAllocs()
	b.ResetTimer()
	var count atomic.Uint64
	if err := copyToChannel(io.Discard, near, &count); err != nil || count.Load() != uint64(b.N*benchmarkPiece) {
		b.Fatal(count.Load(), err)
	}
}

// What is counted here includes the server, which is in the same process.
func BenchmarkOpenEchoClose(b *testing.B) {
	p, far := newPeer(b), target(b, echoBytes)
	for name, forward := range map[string]config.Forward{"L": localTo(far), "D": {Kind: config.Dynamic, Listen: anyPort()}} {
		b.Run(name, func(b *testing.B) {
			tun := newTestTunnel(b, &config.Options{Hold: time.Second, Forwards: []config.Forward{forward}})
			tun.Join(p.session(config.Echo{}))
			b.ReportAllocs()
			for b.Loop() {
				if err := openEchoClose(tun.boundAt(0), forward.Kind, far.Port); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func openEchoClose(address string, kind config.Kind, port int) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var got [16]byte
	if kind == config.Dynamic {
		request := socks5Request(1, "127.0.0.1", port)
		for _, part := range []struct {
			request []byte
			answer  int
		}{{request[:3], 2}, {request[3:], 10}} {
			conn.Write(part.request)
			if _, err := io.ReadFull(conn, got[:part.answer]); err != nil {
				return err
			}
		}
	}
	said := []byte("0123456789abcdef")
	conn.Write(said)
	if _, err := io.ReadFull(conn, got[:]); err != nil {
		return err
	}
	if !bytes.Equal(got[:], said) {
		return errors.New("the echo came back changed")
	}
	return nil
}

func BenchmarkProbe(b *testing.B) {
	s := newPeer(b).session(config.Echo{})
	defer s.Close()
	for name, probe := range map[string]func(context.Context) (time.Duration, error){"keepalive": s.Keepalive, "echo": s.Echo} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := probe(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
