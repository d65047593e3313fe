package master

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// A second signal to stop ends tunneld at once, whoever is connected, and all of them see that they were cut off: clients of ports,
// of Unix sockets and of the ControlPath.
func TestSecondSignalUnderClientsOfEveryKind(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	port, path := lab.Loopback(lab.FreePort(t)), t.TempDir()+"/socket"
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldDrain 10m",
		fmt.Sprintf("LocalForward %s %s", port, echo), fmt.Sprintf("LocalForward %s %s", path, echo))
	var conns []net.Conn
	for _, at := range [][2]string{{"tcp", port}, {"unix", path}} {
		conn, err := net.Dial(at[0], at[1])
		lab.Check(t, err)
		defer conn.Close()
		lab.Check(t, lab.Exchange(conn, "open", lab.Patience))
		conns = append(conns, conn)
	}
	host, number, _ := net.SplitHostPort(echo)
	riders := map[string]*rider{
		"a session":       s.shell(t),
		"proxy mode":      s.ride(t, len("began\n"), "-O", "proxy", lab.Alias, "echo began; cat"),
		"-W":              s.ride(t, 0, "-W", echo, lab.Alias),
		"tunneld connect": s.rideOn(t, s.Account.Binary(), "connect", lab.Alias, host, number),
	}
	for name, r := range riders {
		if !r.lives() {
			t.Errorf("%s: nothing comes back", name)
		}
	}
	library := s.library(t)
	session, err := library.NewSession()
	lab.Check(t, err)
	_, err = session.StdinPipe() // which does not end
	lab.Check(t, err)
	lab.Check(t, session.Start("cat"))

	began := time.Now()
	s.master.Signal(syscall.SIGTERM)
	lab.Eventually(t, lab.Patience, "it takes nobody any more", func() bool { return !fileExists(path) && !fileExists(s.socket) })
	lab.Check(t, lab.Exchange(conns[1], "it goes on meanwhile", lab.Patience))
	if !riders["a session"].lives() {
		t.Error("the session has ended at the first signal")
	}
	lab.Eventually(t, lab.Patience, "an end at once, and not after TunneldDrain", func() bool {
		if time.Since(began) > time.Second { // what comes sooner is the same signal
			s.master.Signal(syscall.SIGTERM)
		}
		return !s.master.Running()
	})
	if code := s.master.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for i, conn := range conns {
		lab.ExpectReset(t, fmt.Sprintf("client %d", i), lab.ReadToEnd(conn, lab.Patience))
	}
	for name, r := range riders {
		if code := r.left(); name != "-W" && code != 255 { // which has no way to learn it, as behind ssh's own master
			t.Errorf("%s: exit %d\n%s", name, code, &r.err)
		}
	}
	if err := session.Wait(); err == nil {
		t.Error("a command of the library that was cut off looks complete")
	}
}

// Who is held in an outage is told at the first signal, and holds up nothing.
func TestSignalUnderHeldClients(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s", "TunneldHold 10m", "TunneldDrain 10m")
	s.Relay.SetRefuse(true)
	s.Relay.Cut()
	lab.WaitFailed(t, s.master, 1)
	held := s.rideOn(t, s.words("-W", "localhost:22", lab.Alias)...)
	lab.Eventually(t, lab.Patience, "it is held", func() bool { return s.held(t) == 1 })
	s.master.Signal(syscall.SIGTERM)
	if code := held.left(); code != 255 || !strings.Contains(held.err.String(), "the tunnel is being stopped") {
		t.Errorf("held: exit %d\n%s", code, &held.err)
	}
	if code := s.master.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
