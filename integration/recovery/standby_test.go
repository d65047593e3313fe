package recovery

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nameWhenAsked says its name at the first byte, so that a connection on which nothing is said stays open.
func nameWhenAsked(name string, c *net.TCPConn) {
	if n, _ := c.Read(make([]byte, 1)); n == 1 {
		fmt.Fprintln(c, name)
	}
	io.Copy(io.Discard, c)
}

// nameAndEnd says its name and nothing more to everybody.
func nameAndEnd(name string, c *net.TCPConn) {
	fmt.Fprintln(c, name)
	c.CloseWrite()
	io.Copy(io.Discard, c)
}

// answering returns the name of the replica that has the port; empty: none.
func answering(port int) string {
	conn, err := net.DialTimeout("tcp", lab.Loopback(port), time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	io.WriteString(conn, "?")
	text := make([]byte, 16)
	n, _ := conn.Read(text)
	return strings.TrimSpace(string(text[:n]))
}

// One of several replicas has the port, the others stand by, and one of them takes over when it goes: what
// deploy/kubernetes/shared-port.yaml relies on.
func TestReplicasShareARemotePort(t *testing.T) {
	for _, c := range []struct {
		name   string
		say    func(string, *net.TCPConn)
		rounds []syscall.Signal
		limit  time.Duration // for the takeover
	}{
		{"noticed at once", nameWhenAsked, []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM}, 3 * time.Second},
		// The watch through the port ends with what it is connected to, so it is asked for on a schedule.
		{"the target hangs up", nameAndEnd, []syscall.Signal{syscall.SIGKILL}, 17 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			port := lab.FreePort(t)
			holder := l.StartReplica("first", port, c.say)
			lab.Eventually(t, lab.Patience, "the first has the port", func() bool { return answering(port) == holder.Name })
			for i, signal := range c.rounds {
				standby := l.StartReplica(fmt.Sprint("next", i), port, c.say)
				lab.Eventually(t, lab.Patience, "the next stands by", func() bool {
					code, why := standby.Ready("")
					return code == http.StatusServiceUnavailable && strings.Contains(why, "standby: held by another connection")
				})
				if code, why := standby.Ready("?standby"); code != http.StatusOK {
					t.Errorf("/readyz?standby: %d %s", code, why)
				}
				if name := answering(port); name != holder.Name {
					t.Errorf("%q answers, want %q", name, holder.Name)
				}
				began := time.Now()
				holder.C.Signal(signal)
				lab.Eventually(t, c.limit, "the next takes over", func() bool { return answering(port) == standby.Name })
				t.Logf("%v: taken over after %v", signal, time.Since(began).Round(time.Millisecond))
				lab.Eventually(t, lab.Patience, "the next is ready", func() bool { code, _ := standby.Ready(""); return code == http.StatusOK })
				holder = standby
			}
			if lost := holder.C.Matching(lab.IsLost); len(lost) > 0 {
				t.Error("standing by has cost it its connection")
			}
		})
	}
}
