package tunnel

import (
	"io"
	"net"
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
