//go:build unix

package sshconn

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The benchmarks carry one stream through sshd, with the wire and with the bare socket under the SSH transport:
//
//	go test ./tunnel -run '^$' -bench Wire -benchtime 3s -count 6
func BenchmarkWireUpload(b *testing.B)   { benchmarkWays(b, benchmarkUpload) }
func BenchmarkWireDownload(b *testing.B) { benchmarkWays(b, benchmarkDownload) }
func BenchmarkWireEcho(b *testing.B)     { benchmarkWays(b, benchmarkEcho) }

func benchmarkWays(b *testing.B, run func(*testing.B, ssh.Conn)) {
	for _, way := range []struct {
		name string
		wrap func(net.Conn) net.Conn
	}{
		{"bare", func(c net.Conn) net.Conn { return c }},
		{"wire", func(c net.Conn) net.Conn { return NewWire(c) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			conn := benchmarkConn(b, way.wrap)
			b.ReportAllocs()
			before := cpuTime()
			run(b, conn)
			b.ReportMetric((cpuTime()-before).Seconds()*1e6/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpuTime returns what this process used so far; it is less at the mercy of the machine's other work than time is.
func cpuTime() time.Duration {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

const benchmarkPiece = 128 << 10

func benchmarkConn(b *testing.B, wrap func(net.Conn) net.Conn) ssh.Conn {
	server := startSSHD(b)
	signer := server.client.signer(b)
	raw, err := net.Dial("tcp", server.listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	conn, chans, reqs, err := ssh.NewClientConn(wrap(raw), "", &ssh.ClientConfig{
		User: userName(b), Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		b.Fatal(err)
	}
	go ssh.DiscardRequests(reqs)
	go rejectChannels(chans)
	b.Cleanup(func() { conn.Close() })
	return conn
}

func benchmarkChannel(b *testing.B, conn ssh.Conn, serve func(net.Conn)) ssh.Channel {
	far := startPeer(b, serve)
	channel, requests, err := conn.OpenChannel("direct-tcpip", MarshalTCPOpen("127.0.0.1", uint32(far.port()), "127.0.0.1", 1))
	if err != nil {
		b.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	return channel
}

func benchmarkUpload(b *testing.B, conn ssh.Conn) {
	received := make(chan int64)
	channel := benchmarkChannel(b, conn, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		c.Close()
		received <- n
	})
	piece := make([]byte, benchmarkPiece)
	b.SetBytes(benchmarkPiece)
	total := int64(0)
	for b.Loop() {
		n, err := channel.Write(piece)
		if err != nil {
			b.Fatal(err)
		}
		total += int64(n)
	}
	channel.CloseWrite()
	if n := <-received; n != total {
		b.Fatalf("%d of %d bytes arrived", n, total)
	}
}

func benchmarkDownload(b *testing.B, conn ssh.Conn) {
	channel := benchmarkChannel(b, conn, func(c net.Conn) {
		piece := make([]byte, benchmarkPiece)
		for {
			if _, err := c.Write(piece); err != nil {
				return
			}
		}
	})
	piece := make([]byte, benchmarkPiece)
	b.SetBytes(benchmarkPiece)
	for b.Loop() {
		if _, err := io.ReadFull(channel, piece); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkEcho sends one byte and waits for it: the latency of a lone small packet.
func benchmarkEcho(b *testing.B, conn ssh.Conn) {
	channel := benchmarkChannel(b, conn, func(c net.Conn) {
		io.Copy(c, c)
		c.Close()
	})
	one := make([]byte, 1)
	for b.Loop() {
		channel.Write(one)
		if _, err := io.ReadFull(channel, one); err != nil {
			b.Fatal(err)
		}
	}
}

// The wire alone, beside the socket under it.
func BenchmarkWireWrite(b *testing.B) {
	near, far := tcpPair(b)
	w := NewWire(near)
	defer w.Close()
	go io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{far}, make([]byte, benchmarkPiece))
	packet := make([]byte, 32<<10)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(packet); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWireRead(b *testing.B) {
	near, far := tcpPair(b)
	w := NewWire(near)
	defer w.Close()
	go func() {
		for piece := make([]byte, benchmarkPiece); ; {
			if _, err := far.Write(piece); err != nil {
				return
			}
		}
	}()
	packet := make([]byte, 32<<10)
	b.SetBytes(int64(len(packet)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.ReadFull(w, packet); err != nil {
			b.Fatal(err)
		}
	}
}
