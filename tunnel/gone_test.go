package tunnel

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// Clients that did not wait take no place in the queue, and the target never sees them. Who has sent a request and its
// end is still there.
func TestClientsThatLeaveWhileHeld(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			p := newPeer(t)
			var served atomic.Int64
			far := target(t, func(conn *net.TCPConn) {
				served.Add(1)
				echoBytes(conn)
			})
			forward := localTo(far)
			if network == "unix" {
				forward.Listen = config.Endpoint{Path: t.TempDir() + "/socket"}
			}
			tun := newTestTunnel(t, &config.Options{Hold: time.Minute, Forwards: []config.Forward{forward}})
			dial := func() stream {
				conn, err := net.Dial(network, tun.boundAt(0))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				return conn.(stream)
			}
			closes, resets, patient := dial(), dial(), dial()
			io.WriteString(resets, "never mind")
			io.WriteString(patient, "request")
			patient.CloseWrite()
			held := func(n int64) func() bool { return func() bool { return tun.Forwards()[0].Held == n } }
			sshtest.Eventually(t, "three held", held(3))
			closes.Close()
			sshtest.Eventually(t, "two held", held(2))
			reset(resets)
			sshtest.Eventually(t, "one held", held(1))
			tun.Join(p.session(config.Echo{}))
			patient.SetDeadline(time.Now().Add(10 * time.Second))
			if back, err := io.ReadAll(patient); string(back) != "request" || err != nil {
				t.Errorf("who waited got %q, %v", back, err)
			}
			if n := served.Load(); n != 1 {
				t.Errorf("the target saw %d connections, want 1", n)
			}
		})
	}
}
