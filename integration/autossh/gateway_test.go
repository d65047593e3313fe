package autossh

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// With -g the forwards are open to other machines, and without it they are not. autossh opens the monitor port as well, which is
// nobody else's business.
func TestGatewayPorts(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd")
	s := newStage(t)
	for _, flag := range []string{"", "-g", "-o GatewayPorts=yes"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			places := map[string][]string{}
			for _, whose := range []string{"theirs", "ours"} {
				n, r := s.abroad(t, flag+" -M 20000:7 -N -L 8080:127.0.0.1:7 -D 1080 server", whose)
				lab.StartTargetOn(t, n.ListenAt(n.Server, "127.0.0.1:7"), lab.Echo)
				lab.Check(t, r.start())
				t.Cleanup(r.clean)
				lab.Eventually(t, lab.Patience, whose+" carries", func() bool {
					conn, err := n.Dial("127.0.0.1:8080")
					return err == nil && answersAndCloses(conn)
				})
				for _, port := range []string{"8080", "1080"} {
					places[whose] = append(places[whose], n.Listening(1080, 8080)[port]...)
				}
				if open := carriesFor(n, 8080); open != (flag != "") {
					t.Errorf("%s: open to another machine: %v", whose, open)
				}
				if monitor := n.Listening(20000, 20000)["20000"]; slices.Contains(monitor, "c 00000000") != (whose == "theirs" && flag != "") {
					t.Errorf("%s: the monitor port is at %q", whose, monitor)
				}
			}
			if theirs, ours := places["theirs"], places["ours"]; !slices.Equal(theirs, ours) || len(ours) != 4 {
				t.Errorf("autossh listens on %v, tunneld on %v", theirs, ours)
			}
		})
	}
}

// answersAndCloses reports whether an echo service answers.
func answersAndCloses(conn net.Conn) bool {
	defer conn.Close()
	return lab.Exchange(conn, "x\n", 2*time.Second) == nil
}

// carriesFor reports whether a port at the client's end leads the server's machine to an echo service.
func carriesFor(n *lab.Network, port int) (open bool) {
	n.Inside(n.Server, func() {
		conn, err := net.Dial("tcp", net.JoinHostPort(n.Own, fmt.Sprint(port)))
		open = err == nil && answersAndCloses(conn)
	})
	return open
}

// A server that lets no port listen fails each of autossh's tests. Here the connection stays, and a line in the log says that it is
// watched by keepalives alone.
func TestServerThatAllowsNoLoop(t *testing.T) {
	t.Parallel()
	lab.Need(t, "autossh", "ssh", "sshd")
	s := newStage(t)
	runs := map[string]*run{}
	for _, whose := range []string{"ours", "theirs"} {
		_, r := s.abroad(t, "AUTOSSH_GATETIME=0 AUTOSSH_POLL=2 -M 20000 -N server", whose, "AllowTcpForwarding local")
		lab.Check(t, r.start())
		t.Cleanup(r.clean)
		runs[whose] = r
	}
	runs["theirs"].do(t, "starts=3") // each after a test that has failed
	ours := runs["ours"]
	if !strings.Contains(ours.log(), "watched by keepalives alone") || ours.starts() != 1 || ours.ended() {
		t.Errorf("we have started %d times and say\n%s", ours.starts(), ours.log())
	}
}
