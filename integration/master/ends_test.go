package master

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// rider is a client that runs.
type rider struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
	err bytes.Buffer
}

// ride starts ssh with these words, and returns when it has written so many bytes.
func (s *side) ride(t *testing.T, greeting int, words ...string) *rider {
	t.Helper()
	r := s.rideOn(t, append([]string{"ssh", "-F", s.Account.Path("config")}, words...)...)
	if _, err := io.ReadFull(r.out, make([]byte, greeting)); err != nil {
		t.Fatalf("%s: %v: %v\n%s", s.name, words, err, &r.err)
	}
	return r
}

// rideOn starts a program.
func (s *side) rideOn(t *testing.T, words ...string) *rider {
	t.Helper()
	r := &rider{t: t, cmd: s.client(t.Context(), words...)}
	var err error
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if r.out, err = r.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	r.cmd.Stderr = &r.err
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.end() })
	return r
}

// shell is ride for a command that gives back what it gets.
func (s *side) shell(t *testing.T) *rider {
	t.Helper()
	return s.ride(t, len("began\n"), lab.Alias, "echo began; cat")
}

// lives reports whether what is written comes back.
func (r *rider) lives() bool {
	const word = "still there"
	got := make([]byte, len(word))
	if _, err := io.WriteString(r.in, word); err != nil {
		return false
	}
	_, err := io.ReadFull(r.out, got)
	return err == nil && string(got) == word
}

// left waits until it has ended, and returns its exit code.
func (r *rider) left() int {
	r.t.Helper()
	late := time.AfterFunc(4*lab.Patience, func() { r.cmd.Process.Kill() })
	defer late.Stop()
	io.Copy(io.Discard, r.out)
	r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// end ends its input, and waits until it has ended.
func (r *rider) end() int {
	r.in.Close()
	if r.cmd.ProcessState != nil {
		return r.cmd.ProcessState.ExitCode()
	}
	return r.left()
}

// When the connection is lost, `ssh -W` ends by the end of the master's answer, as behind ssh's own master: there is no message
// that would tell it more.
func TestStdioForwardThatIsCut(t *testing.T) {
	t.Parallel()
	target := lab.StartTarget(t, lab.Echo).Address()
	ours, theirs := both(t)
	codes := map[*side]int{}
	for _, s := range []*side{ours, theirs} {
		began := time.Now()
		r := s.ride(t, 0, "-W", target, lab.Alias)
		if !r.lives() {
			t.Fatalf("%s: nothing comes back", s.name)
		}
		s.Relay.Cut()
		codes[s] = r.left()
		t.Logf("%s: exit %d, %q %v", s.name, codes[s], &r.err, time.Since(began))
	}
	if codes[ours] != codes[theirs] {
		t.Errorf("tunneld: exit %d, ssh: exit %d", codes[ours], codes[theirs])
	}
}

// Whoever stops the tunnel ends the sessions, which get TunneldDrain; ssh says that the connection is gone.
func TestStopUnderARunningSession(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldDrain 1s")
	shell := s.shell(t)
	stdio := s.ride(t, 0, "-W", lab.StartTarget(t, lab.Echo).Address(), lab.Alias)
	if !stdio.lives() {
		t.Error("nothing comes back")
	}
	s.master.Signal(syscall.SIGTERM)
	if code := shell.left(); code != 255 {
		t.Errorf("the session ends with %d", code)
	}
	stdio.left()
	if code := s.master.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	if fileExists(s.socket) {
		t.Error("the socket is left")
	}
}

// A reload leaves sessions alone, also where it moves the socket.
func TestReloadUnderARunningSession(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	shell := s.shell(t)
	config := lab.ReadFile(t, s.Account.Path("config"))
	lab.WriteFile(t, s.Account.Path("config"), strings.ReplaceAll(config, s.socket, s.socket+"-2"))
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	lab.Eventually(t, lab.Patience, "the socket moves", func() bool { return fileExists(s.socket+"-2") && !fileExists(s.socket) })
	if !shell.lives() {
		t.Error("the session does not go on")
	}
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	if code := shell.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections", count)
	}
}

// A replacement of a tunnel whose sessions needed further connections leaves all of them to their end, and none afterwards.
func TestReplacementUnderSessionsOnFurtherConnections(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "MaxSessions 1"), "TunneldDrain 1s")
	var shells []*rider
	for range 3 {
		shells = append(shells, s.shell(t))
	}
	s.Account.Expect(0, "reconnected", "reconnect", lab.Alias)
	shells = append(shells, s.shell(t), s.shell(t))
	lab.Never(t, 1500*time.Millisecond, "a session ends", func() bool { return s.Relay.OpenLinks() < 5 })
	for i, shell := range shells {
		if !shell.lives() {
			t.Errorf("session %d does not live", i)
		}
		if code := shell.end(); code != 0 {
			t.Errorf("session %d: exit %d", i, code)
		}
	}
	lab.Eventually(t, 2*lab.Patience, "one connection is left", func() bool { return s.Relay.OpenLinks() == 1 })
	if count := s.Relay.Count(); count > 6 {
		t.Errorf("%d connections were made", count)
	}
}

// Commands without a terminal go on when their clients are killed, and sshd counts them. No later client sees that.
func TestKilledClientsLeaveTheirCommandsBehind(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "MaxSessions 2"))
	stay := s.Account.Path("stay") // until the directory goes with the test
	lab.WriteFile(t, stay, "")
	for range 2 {
		cmd, _, _ := s.begin(t, fmt.Sprintf("while [ -e %s ]; do sleep 0.2; done", stay))
		cmd.Process.Kill()
		cmd.Wait()
	}
	for range 3 {
		if a := s.ssh(t, "", lab.Alias, "echo rides"); a != (answer{out: "rides\n"}) {
			t.Error(a)
		}
	}
	if count := s.Relay.Count(); count != 2 {
		t.Errorf("%d connections, want one more for what has no room", count)
	}
}

// A shell at which nobody types keeps a lazy tunnel up, and nothing else does.
func TestLazyTunnelUnderARunningSession(t *testing.T) {
	t.Parallel()
	lab.Need(t, "ssh")
	s := &side{name: string(lab.Tunneld), socket: filepath.Join(t.TempDir(), "cm")}
	s.Lab = lab.LabOf(t, lab.StartSSHD(t), "IgnoreUnknown Tunneld*", "TunneldLazy 1s", "ControlMaster auto", "ControlPath "+s.socket)
	s.master = s.Start(lab.Tunneld)
	lab.Eventually(t, lab.Patience, "it listens on the ControlPath", func() bool { return fileExists(s.socket) })
	shell := s.shell(t)
	lab.Never(t, 4*time.Second, "the tunnel disconnects", func() bool { return s.Relay.OpenLinks() != 1 })
	if !shell.lives() {
		t.Error("the session does not live")
	}
	if code := shell.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	lab.Eventually(t, lab.Patience, "it disconnects when nobody needs it", func() bool { return s.Relay.OpenLinks() == 0 })
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
}

// Of two with the same ControlPath one listens there, and the other when that has gone.
func TestTwoWithTheSameControlPath(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	s.master.Kill() // and leaves its socket behind
	both := []*lab.Child{s.Start(lab.Tunneld, "--name", "one"), s.Start(lab.Tunneld, "--name", "two")}
	listens := func(c *lab.Child) bool {
		return strings.HasPrefix(s.ssh(t, "", "-O", "check", lab.Alias).err, fmt.Sprintf("Master running (pid=%d)", c.Pid()))
	}
	var first, second *lab.Child
	lab.Eventually(t, lab.Patience, "one listens", func() bool {
		for i, c := range both {
			if listens(c) {
				first, second = c, both[1-i]
				return true
			}
		}
		return false
	})
	second.WaitLine(t, 0, lab.Patience, "the other says that it does not", lab.Said("not sharing the connection with ssh, trying again"))
	first.Signal(syscall.SIGTERM)
	first.WaitExit(t, lab.Patience)
	lab.Eventually(t, 2*lab.Patience, "the other takes over", func() bool { return listens(second) })
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
}
