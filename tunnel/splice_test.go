package tunnel

import (
	"io"
	"net"
	"os"
	"runtime/metrics"
	"sync/atomic"
	"testing"

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
