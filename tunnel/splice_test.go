package tunnel

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// A client's reset ends the connection at once. An end of stream would leave it open for as long as the target likes.
func TestClientResetsArePassedOn(t *testing.T) {
	p := newPeer(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{localTo(target(t, func(conn *net.TCPConn) {
		conn.Write([]byte("x"))
		<-release // hears nothing, says nothing
	}))}})
	tun.Join(p.session(config.Echo{}))
	conn := dialTo(t, tun.boundAt(0))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	reset(conn)
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
}

// bulkThenQuiet brings so many bytes, as much at a time as is asked for, and then nothing until it ends.
type bulkThenQuiet struct {
	left int
	over <-chan struct{}
}

func (b *bulkThenQuiet) Read(p []byte) (int, error) {
	if b.left == 0 {
		<-b.over
		return 0, io.EOF
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// A connection that has carried much and is quiet now is no transfer: the collector works at its own pace again.
func TestQuietConnectionLeavesThePace(t *testing.T) {
	t.Parallel()
	if os.Getenv("GOGC") != "" {
		t.Skip("somebody has set the pace")
	}
	over, ended := make(chan struct{}), make(chan error)
	var count atomic.Uint64
	go func() {
		ended <- copyFromChannel(io.Discard, &bulkThenQuiet{2 * bulk, over}, &count)
	}()
	sshtest.Eventually(t, "all is carried", func() bool { return count.Load() == 2*bulk })
	sshtest.Eventually(t, "the pace is the normal one", func() bool {
		percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(percent)
		return percent[0].Value.Uint64() == 100
	})
	close(over)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// stuff writes until nothing more goes through, closes conn, and returns how much has.
func stuff(t *testing.T, conn net.Conn) (sent int64) {
	defer conn.Close()
	for chunk := make([]byte, 64<<10); ; {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := conn.Write(chunk)
		sent += int64(n)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if err != nil {
			return sent
		}
	}
}

// A client says all that it wants to and closes the connection, as one does that prints or ships a log, and the server has words for
// it meanwhile. The end of what the client has sent was thrown away, and to the server it looked like all there is.
func TestClientThatTakesNoAnswer(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	answer, read, got := make(chan struct{}), make(chan struct{}), make(chan int64, 1)
	forward := localTo(target(t, func(conn *net.TCPConn) {
		<-answer
		io.WriteString(conn, "out of paper\n")
		<-read
		n, err := io.Copy(io.Discard, conn)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}))
	// What the client of a Unix socket has written is here when it closes that.
	forward.Listen = config.Endpoint{Path: filepath.Join(t.TempDir(), "s")}
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{forward}})
	tun.Join(p.session(config.Echo{}))
	conn, err := net.Dial("unix", forward.Listen.Path)
	if err != nil {
		t.Fatal(err)
	}
	sent := stuff(t, conn)
	close(answer)
	sshtest.Eventually(t, "the answer is here", func() bool { return tun.Forwards()[0].BytesIn > 0 })
	close(read)
	select {
	case n := <-got:
		if n != sent {
			t.Errorf("the server has got %d bytes of %d, and then the end", n, sent)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server has not got the end")
	}
	sshtest.Eventually(t, "no open connection", func() bool { return tun.busy() == 0 })
}

// The same the other way round: a target of ours has said all that it wanted to and closes, as a web server does, while the client at the
// server still talks. The end of the answer was missing, and the client took what it got for all of it.
func TestTargetThatClosesBehindItsAnswer(t *testing.T) {
	t.Parallel()
	path, answered := filepath.Join(t.TempDir(), "s"), make(chan int64, 1)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			answered <- stuff(t, conn)
		}
	}()
	p := newPeer(t)
	tun := newTestTunnel(t, &config.Options{Forwards: []config.Forward{fromPort("", config.Endpoint{Path: path})}})
	tun.Join(p.session(config.Echo{}))
	sshtest.Eventually(t, "listening", func() bool { return tun.Forwards()[0].State == ForwardListening })
	conn := dialTo(t, tun.boundAt(0))
	sent := <-answered
	io.WriteString(conn, "still there?")
	sshtest.Eventually(t, "the client's words are here", func() bool { return tun.Forwards()[0].BytesIn > 0 })
	n, err := io.Copy(io.Discard, conn)
	if err != nil || n != sent {
		t.Errorf("the client has got %d bytes of %d, and then %v", n, sent, err)
	}
}
