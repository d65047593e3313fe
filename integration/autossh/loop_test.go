package autossh

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// loopAbroad starts tunneld with the monitor port 20000 and a server on another machine.
func loopAbroad(t *testing.T, prepare func(*lab.Network)) (*lab.Network, *run) {
	t.Helper()
	lab.Need(t, "sshd")
	n, r := newStage(t).abroad(t, "AUTOSSH_POLL=60 AUTOSSH_FIRST_POLL=2 AUTOSSH_LOGLEVEL=7 AUTOSSH_GATETIME=0 "+
		"-M 20000 -N -o TunneldDrain=60s -L {L}:127.0.0.1:20007 server", "ours")
	prepare(n)
	lab.Check(t, r.start())
	t.Cleanup(func() {
		r.clean()
		if t.Failed() {
			t.Logf("the log has\n%s", r.log())
		}
	})
	return n, r
}

// passes waits until so many tests have passed.
func (r *run) passes(t *testing.T, tests int) {
	t.Helper()
	lab.Eventually(t, lab.Patience, fmt.Sprintf("%d tests have passed", tests), func() bool {
		return strings.Count(r.log(), "connection ok") >= tests
	})
}

// listensThere reports whether somebody listens on a port at the server.
func listensThere(n *lab.Network, port int) bool {
	return slices.ContainsFunc(n.Listening(port, port)[fmt.Sprint(port)], func(at string) bool { return strings.HasPrefix(at, "s ") })
}

// The server listened on another port than the monitor's for good as soon as a connection was replaced: the old one had it still.
func TestMonitorPortAfterAReplacement(t *testing.T) {
	t.Parallel()
	n, r := loopAbroad(t, func(n *lab.Network) { lab.StartTargetOn(t, n.ListenAt(n.Server, "127.0.0.1:20007"), lab.Echo) })
	r.passes(t, 1)
	client, err := n.Dial(lab.Loopback(r.ports["L"])) // whose connection is not closed
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lab.Check(t, lab.Exchange(client, "before\n", lab.Patience))
	for round := 2; round <= 4; round++ {
		if text, code := r.tunneld(t, "reconnect", "server"); code != 0 {
			t.Fatalf("reconnect ends with %d: %s", code, text)
		}
		r.passes(t, round)
		if text := r.log(); !listensThere(n, 20000) || strings.Contains(text, "is taken at the server") || strings.Contains(text, "port down") {
			t.Fatal("the server listens elsewhere")
		}
		lab.Check(t, lab.Exchange(client, "after\n", lab.Patience))
	}
	if r.starts() != 4 {
		t.Errorf("%d starts", r.starts())
	}
}

// So it did after an outage that the server had not noticed yet, or while another program had the port.
func TestMonitorPortIsHadAgain(t *testing.T) {
	t.Parallel()
	var others []net.Listener
	n, r := loopAbroad(t, func(n *lab.Network) {
		for _, address := range []string{"127.0.0.1:20000", "[::1]:20000"} {
			others = append(others, n.ListenAt(n.Server, address))
		}
	})
	t.Cleanup(func() {
		for _, l := range others {
			l.Close()
		}
	})
	r.passes(t, 1)
	if !strings.Contains(r.log(), "monitor port 20000 is taken at the server") {
		t.Error("nothing is said of the port")
	}
	for _, l := range others {
		l.Close()
	}
	lab.Eventually(t, lab.Patience, "the port is asked for again", func() bool { return strings.Contains(r.log(), "monitor port 20000 is free at the server by now") })
	if !listensThere(n, 20000) {
		t.Error("the server does not listen there")
	}
	r.do(t, "USR1 starts=2")
	r.passes(t, 2)
	lab.Eventually(t, lab.Patience, "the server listens there for the next connection", func() bool {
		text := r.log()
		return listensThere(n, 20000) && strings.Count(text, "is taken at the server") == strings.Count(text, "is free at the server by now")
	})
}

// The server has a port on its two loopback addresses, and another program may have it on one of them.
func TestMonitorPortThatTheServerChooses(t *testing.T) {
	t.Parallel()
	_, r := loopAbroad(t, func(n *lab.Network) {
		n.In(n.Server, "sh", "-c", "echo 40000 40099 >/proc/sys/net/ipv4/ip_local_port_range")
		taken := []string{"127.0.0.1:20000", "[::1]:20000"}
		for port := 40001; port < 40100; port += 2 { // Linux chooses odd ones for listeners, while there are any
			taken = append(taken, fmt.Sprint("127.0.0.1:", port))
		}
		for _, address := range taken {
			l := n.ListenAt(n.Server, address)
			t.Cleanup(func() { l.Close() })
		}
	})
	r.passes(t, 1)
	if r.starts() != 1 {
		t.Errorf("%d starts", r.starts())
	}
}

// Such a port may be the monitor's own. The test line went to that program, and ssh was restarted for ever.
func TestMonitorPortThatAnotherHasOnOneAddress(t *testing.T) {
	t.Parallel()
	_, r := loopAbroad(t, func(n *lab.Network) {
		lab.StartTargetOn(t, n.ListenAt(n.Server, "127.0.0.1:20000"), lab.Echo)
	})
	r.passes(t, 1)
	if text := r.log(); r.starts() != 1 || !strings.Contains(text, "monitor port 20000 is taken at the server") {
		t.Errorf("%d starts", r.starts())
	}
}
