package master

import (
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// serviceManager listens where a service tells how it is (sd_notify(3)), and has no use for that.
func serviceManager(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go io.Copy(io.Discard, socket)
	return path
}

// A service manager would start the tunnel again: `ssh -O exit` is refused with a reason, and nothing ends. `tunneld down` is
// meant, and stops it.
func TestTerminateUnderAServiceManager(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	s.Prefix = []string{"env", "NOTIFY_SOCKET=" + serviceManager(t)}
	s.start(t, lab.Tunneld)
	shell := s.shell(t)
	for _, s.stock = range []string{oldest, newest} {
		a := s.ssh(t, "", "-O", "exit", lab.Alias)
		const why = "Master refused termination request: a service manager runs this tunneld; stop it there, or with `tunneld down`"
		if a.code != 255 || !strings.Contains(a.err, why) {
			t.Errorf("%s: %v", s.stock, a)
		}
	}
	if !shell.lives() || s.check(t) != s.master.Pid() {
		t.Error("the session or the master has ended")
	}
	if code := shell.end(); code != 0 {
		t.Errorf("the session: exit %d", code)
	}
	s.Account.Expect(0, "stopped", "down", lab.Alias)
	if code := s.master.WaitExit(t, lab.Patience); code != 0 || fileExists(s.socket) {
		t.Errorf("tunneld ended with %d; the socket is there: %t", code, fileExists(s.socket))
	}
}

// `ssh -O stop` takes the socket away and nothing else: sessions and forwards go on, and so do new ones after a reload.
func TestStopListening(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	own, added := lab.FreePort(t), lab.FreePort(t)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "LocalForward "+lab.Loopback(own)+" "+echo)
	shell := s.shell(t)
	s.must(t, "", s.words("-O", "forward", "-L", lab.Loopback(added)+":"+echo, lab.Alias)...)
	s.must(t, "", s.words("-O", "stop", lab.Alias)...)
	if fileExists(s.socket) {
		t.Error("the socket is left")
	}
	mark := s.master.Mark()
	s.Relay.SetRefuse(true)
	if !shell.lives() || !echoes("tcp", lab.Loopback(own), "") || !echoes("tcp", lab.Loopback(added), "") {
		t.Error("something else has ended")
	}
	if code := shell.end(); code != 0 {
		t.Errorf("the session: exit %d", code)
	}
	s.Relay.SetRefuse(false)
	s.Relay.Cut()
	lab.WaitUp(t, s.master, mark)
	if !echoes("tcp", lab.Loopback(own), "") || !echoes("tcp", lab.Loopback(added), "") {
		t.Error("the forwards do not come back after a cut")
	}
	if fileExists(s.socket) {
		t.Error("the socket comes back by itself")
	}
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	lab.Eventually(t, lab.Patience, "it listens again", func() bool { return s.check(t) == s.master.Pid() })
}

// ControlMaster no, which is ssh's default, shares nothing, whatever the ControlPath; -M says otherwise.
func TestNoMaster(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t), "ControlMaster no", "DynamicForward "+lab.Loopback(lab.FreePort(t)))
	s.master = s.Start(lab.Tunneld)
	lab.WaitUp(t, s.master, 0)
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	if text := s.expect(t, 0, "", "status", "--json"); strings.Contains(text, s.socket) || fileExists(s.socket) {
		t.Errorf("tunneld listens, or tries to: %s", text)
	}
	s.Account.Expect(0, "stopped", "down", lab.Alias)
	s.master.WaitExit(t, lab.Patience)
	s.start(t, lab.Tunneld, "-M")
	before := s.Relay.Count()
	s.must(t, "", s.words(lab.Alias, "true")...)
	if count := s.Relay.Count(); count != before {
		t.Error("the client did not ride")
	}
}

// A tunnel that gives up, here since the server is another one, leaves no socket behind, and tells those who wait: they connect
// by themselves, but for -W, which takes a master that says nothing for the end of what it carries.
func TestSocketOfATunnelThatFails(t *testing.T) {
	t.Parallel()
	lab.Need(t, newest)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s")
	s.Relay.SetRefuse(true)
	s.Relay.Cut()
	lab.WaitFailed(t, s.master, 1)
	var held []chan answer
	for _, s.stock = range []string{oldest, newest} {
		for _, words := range [][]string{s.words(lab.Alias, "true"), s.words("-W", "localhost:22", lab.Alias), s.words("-O", "proxy", lab.Alias, "true")} {
			told := make(chan answer, 1)
			held = append(held, told)
			go func() { told <- s.run(t, "", words...) }()
		}
	}
	lab.Eventually(t, lab.Patience, "all are held", func() bool { return s.held(t) == len(held) })
	s.Account.Trust(s.Relay.Address(), s.Account.Key)
	s.Relay.SetRefuse(false)
	for i, told := range held {
		if a := <-told; a.code != 255 || !strings.Contains(a.err, "the tunnel is being stopped") {
			t.Errorf("the client that was held as number %d: %v", i, a)
		}
	}
	if code := s.master.WaitExit(t, lab.Patience); code != 3 || fileExists(s.socket) {
		t.Errorf("tunneld ended with %d; the socket is there: %t", code, fileExists(s.socket))
	}
}

// held is how many clients of the tunnel wait for a connection.
func (s *side) held(t *testing.T) int {
	t.Helper()
	var status struct{ Tunnels []struct{ Held int } }
	text, _ := s.Account.Ask("status", "--json", lab.Alias)
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.Tunnels) != 1 {
		t.Fatalf("%q: %v", text, err)
	}
	return status.Tunnels[0].Held
}
