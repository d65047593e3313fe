package master

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// echoes reports whether bytes come back from address, by way of a SOCKS proxy there where target is not empty.
func echoes(network, address, target string) bool {
	conn, err := net.Dial(network, address)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(lab.Patience))
	if target != "" && lab.Socks5(target)(conn) != nil {
		return false
	}
	fmt.Fprint(conn, "ping")
	b := make([]byte, 4)
	_, err = io.ReadFull(conn, b)
	return err == nil && string(b) == "ping"
}

// expect is Account.Expect with plain text: specs have dots and brackets.
func (s *side) expect(t *testing.T, code int, says string, words ...string) string {
	t.Helper()
	text, got := s.Account.Ask(words...)
	if got != code || !strings.Contains(text, says) {
		t.Errorf("tunneld %s: exit code %d, want %d; it said\n%swant %q", strings.Join(words, " "), got, code, text, says)
	}
	return text
}

// Forwards of every kind are added, shown as such, stay through a cut and a reload, and go again.
func TestForwardAndCancel(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	own := fmt.Sprintf("%d:%s", lab.FreePort(t), echo)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "LocalForward "+strings.Replace(own, ":", " ", 1))
	local, dynamic, remote := lab.FreePort(t), lab.FreePort(t), lab.FreePort(t)
	path := s.Account.Path("socket")
	specs := []string{
		"-L", fmt.Sprintf("%d:%s", local, echo), "-L", "./socket:" + echo,
		"-D", fmt.Sprint(dynamic), "-R", fmt.Sprintf("%d:%s", remote, echo),
	}
	text := s.expect(t, 0, fmt.Sprintf("server: -L %d:%s listens on 127.0.0.1:%d", local, echo, local), append([]string{"forward", lab.Alias}, specs...)...)
	if strings.Count(text, " listens on ") != 4 {
		t.Errorf("it says\n%s", text)
	}
	chosen := strings.TrimSpace(s.expect(t, 0, "", "forward", lab.Alias, "-R", "0:"+echo))
	work := func(when string) {
		t.Helper()
		lab.Eventually(t, lab.Patience, "all forwards carry "+when, func() bool {
			return echoes("tcp", lab.Loopback(local), "") && echoes("unix", path, "") && echoes("tcp", lab.Loopback(dynamic), echo) &&
				echoes("tcp", lab.Loopback(remote), "") && echoes("tcp", "127.0.0.1:"+chosen, "")
		})
	}
	work("at once")
	s.expect(t, 0, "was added before, and listens on", append([]string{"forward", lab.Alias}, specs...)...)
	s.expect(t, 0, "is in the configuration, and listens on", "forward", lab.Alias, "-L", own)
	mark := s.master.Mark()
	s.Relay.Cut()
	lab.WaitUp(t, s.master, mark)
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	work("after a cut and a reload")
	if text, _ := s.Account.Ask("status"); strings.Count(text, "  added") != 5 {
		t.Errorf("status:\n%s", text)
	}
	if text, _ := s.Account.Ask("status", "--json"); strings.Count(text, `"added": true`) != 5 {
		t.Errorf("status --json:\n%s", text)
	}

	s.expect(t, 0, lab.Alias, "__complete", "cancel", "")
	s.expect(t, 0, specs[1], "__complete", "cancel", lab.Alias, "-L", "")
	s.expect(t, 0, specs[1], "__complete", "cancel", lab.Alias, "-L", specs[1][:2])
	s.expect(t, 1, "-L "+own+": the forward is in the configuration\ntunneld: hint: take it out of ssh_config", "cancel", lab.Alias, "-L", own)
	text = s.expect(t, 1, "no such forward\ntunneld: hint: added were -", "cancel", lab.Alias, "-L", fmt.Sprintf("%d:elsewhere:1", local))
	for _, added := range []string{"-L " + specs[1], "-D " + specs[5], "-R " + specs[7], "-R 0:" + echo} { // in any order
		if !strings.Contains(text, added) {
			t.Errorf("no %s in %s", added, text)
		}
	}
	text = s.expect(t, 0, "taken away", append([]string{"cancel", lab.Alias, "-R", "0:" + echo}, specs...)...)
	if strings.Count(text, "taken away") != 5 {
		t.Errorf("it says\n%s", text)
	}
	for _, at := range []string{lab.Loopback(local), lab.Loopback(dynamic), lab.Loopback(remote), "127.0.0.1:" + chosen} {
		lab.Eventually(t, lab.Patience, at+" listens no more", func() bool { return !lab.Accepts(at) })
	}
	if fileExists(path) {
		t.Error("the socket is left")
	}
	if !echoes("tcp", lab.Loopback(s.port(own)), "") {
		t.Error("the forward of the configuration has gone")
	}
	s.expect(t, 1, "hint: none has been added", "cancel", lab.Alias, "-D", fmt.Sprint(dynamic))
}

// port is where a spec listens.
func (s *side) port(spec string) (port int) {
	fmt.Sscan(strings.SplitN(spec, ":", 2)[0], &port)
	return port
}

// What cannot be had is said, with an exit code, and nothing of it is left.
func TestForwardThatCannotBe(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	free, there := lab.FreePort(t), s.Account.Path("taken")
	lab.WriteFile(t, there, "")
	for _, c := range []struct {
		code  int
		says  string
		words []string
	}{
		{2, fmt.Sprintf("127.0.0.1:%d", port), []string{lab.Alias, "-L", fmt.Sprintf("127.0.0.1:%d:localhost:80", port)}},
		{1, "remote port forwarding failed for listen port " + there, []string{lab.Alias, "-R", there + ":localhost:80"}},
		{2, "want [bind_address:]port:host:hostport", []string{lab.Alias, "-L", "8080"}},
		{2, "which forward?", []string{lab.Alias}},
		{2, "which tunnel?", []string{"-L", "8080:localhost:80"}},
		{1, "did you mean server?", []string{"sevrer", "-D", "1080"}},
	} {
		s.expect(t, c.code, c.says, append([]string{"forward"}, c.words...)...)
	}
	// One that can be stays, whatever becomes of the other.
	s.expect(t, 2, fmt.Sprintf("-D %d listens on", free), "forward", lab.Alias, "-D", fmt.Sprint(free), "-D", fmt.Sprintf("127.0.0.1:%d", port))
	if st := s.Account.Status(lab.Alias); len(st.Tunnels[0].Forwards) != 1 {
		t.Errorf("left: %+v", st.Tunnels[0].Forwards)
	}
	s.Account.Expect(0, "stopped", "down", lab.Alias)
	s.expect(t, 1, "server: no tunnel is running\ntunneld: hint: start one", "forward", lab.Alias, "-D", "1080")
}

// In an outage a local forward listens at once and holds its clients; one at the server is granted by the server or not at all.
func TestForwardInAnOutage(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s", "TunneldHold 2s")
	s.Relay.SetRefuse(true)
	s.Relay.Cut()
	lab.WaitFailed(t, s.master, 1)
	local, remote := lab.FreePort(t), lab.FreePort(t)
	s.expect(t, 0, "listens on", "forward", lab.Alias, "-L", fmt.Sprintf("%d:%s", local, echo))
	s.expect(t, 1, "the tunnel is down", "forward", lab.Alias, "-R", fmt.Sprintf("%d:%s", remote, echo))
	if a := s.ssh(t, "", "-O", "forward", "-R", fmt.Sprintf("%d:%s", remote, echo), lab.Alias); a.code == 0 {
		t.Errorf("ssh -O forward -R in an outage: %v", a)
	}
	if st := s.Account.Status(lab.Alias); len(st.Tunnels[0].Forwards) != 1 {
		t.Errorf("left: %+v", st.Tunnels[0].Forwards)
	}
	mark := s.master.Mark()
	s.Relay.SetRefuse(false)
	lab.WaitUp(t, s.master, mark)
	if !echoes("tcp", lab.Loopback(local), "") {
		t.Error("the local forward does not carry")
	}
}

// While the server has not answered, nobody is told that it has: neither who asked first, nor who asks for the same.
func TestForwardIsAnsweredByTheServer(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	spec := fmt.Sprintf("%d:%s", lab.FreePort(t), echo)
	s.Relay.Freeze()
	answers := make(chan answer, 3)
	for _, words := range [][]string{
		{s.Account.Binary(), "forward", lab.Alias, "-R", spec},
		{"ssh", "-F", s.Account.Path("config"), "-O", "forward", "-R", spec, lab.Alias},
		{"ssh", "-F", s.Account.Path("config"), "-O", "forward", "-R", spec, lab.Alias},
	} {
		go func() { answers <- s.run(t, "", words...) }()
	}
	lab.Never(t, time.Second, "one is answered", func() bool { return len(answers) > 0 })
	s.Relay.Thaw()
	for range 3 {
		if a := <-answers; a.code != 0 {
			t.Errorf("%v", a)
		}
	}
}

// The status says where ssh finds the tunnel, and who else is there.
func TestStatusShowsTheControlPath(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	shows := func(words ...string) func() bool {
		return func() bool {
			text, _ := s.Account.Ask("status")
			asJSON, _ := s.Account.Ask("status", "--json")
			for _, word := range words {
				if !strings.Contains(text+asJSON, word) {
					return false
				}
			}
			return true
		}
	}
	lab.Eventually(t, lab.Patience, "it listens", shows("    ControlPath "+s.socket+"\n", `"path": "`+s.socket+`"`, `"state": "listening"`))
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), "-O", "stop", lab.Alias)
	lab.Eventually(t, lab.Patience, "given up", shows("ControlPath "+s.socket+" stopped: given up for a client", `"state": "stopped"`))
	other := s.Account.Run(lab.OpenSSH, []string{"ssh", "-F", s.Account.Path("config"), "-M", "-N", lab.Alias})
	lab.Eventually(t, lab.Patience, "ssh is master", func() bool { return fileExists(s.socket) })
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	lab.Eventually(t, lab.Patience, "another's", shows(fmt.Sprintf("taken: it is the socket of another master, process %d", other.Pid()), `"state": "taken"`))
	other.Signal(15)
	other.WaitExit(t, lab.Patience)
	lab.Eventually(t, 2*lab.Patience, "it listens again", shows(`"state": "listening"`))
	lab.WriteFile(t, s.Account.Path("config"), strings.ReplaceAll(lab.ReadFile(t, s.Account.Path("config")), s.socket, filepath.Join(s.Account.Dir, "nowhere", "cm")))
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	lab.Eventually(t, lab.Patience, "no place for it", shows(`"state": "failed"`, "no such file or directory"))
}

// The relative path of a socket is one in the master's directory, wherever the client is: ssh's master does the same.
func TestRelativeSocketOfAForward(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	ours, theirs := both(t)
	for _, s := range []*side{theirs, ours} {
		cmd := s.client(t.Context(), s.words("-O", "forward", "-L", "./relative:"+echo, lab.Alias)...)
		cmd.Dir = t.TempDir()
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", s.name, err, text)
		}
		if path := s.Account.Path("relative"); !echoes("unix", path, "") {
			t.Errorf("%s: nothing listens in the master's directory", s.name)
		}
	}
}
