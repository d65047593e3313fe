package master

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// A cut ends running sessions with 255, as with ssh's own master; the socket stays, and the next session rides again.
func TestCutUnderRunningSessions(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t))
	cmd, _, out := s.begin(t, "cat")
	mark := s.master.Mark()
	s.Relay.Cut()
	io.Copy(io.Discard, out)
	if code := exitCode(t, cmd); code != 255 {
		t.Errorf("the session ends with %d", code)
	}
	lab.WaitUp(t, s.master, mark)
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	if links := s.Relay.OpenLinks(); links != 1 {
		t.Errorf("%d connections: the session did not ride", links)
	}
}

// A client that is killed while it is held has no command run for it.
func TestNoCommandForAClientThatLeft(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldBackoffMax 1s")
	proof := s.Account.Path("proof")
	s.Relay.SetRefuse(true)
	s.Relay.Cut()
	mark := s.master.Mark()
	cmd := s.client(t.Context(), "ssh", "-F", s.Account.Path("config"), lab.Alias, "touch "+proof)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lab.Never(t, 500*time.Millisecond, "it ends", func() bool { return cmd.ProcessState != nil })
	cmd.Process.Kill()
	cmd.Wait()
	s.Relay.SetRefuse(false)
	lab.WaitUp(t, s.master, mark)
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	if _, err := os.Lstat(proof); err == nil {
		t.Error("the command has run")
	}
}

// sshd allows ten sessions on a connection. No client sees that.
func TestMoreSessionsThanTheServerAllows(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t, "MaxSessions 3"))
	const count = 20
	var all sync.WaitGroup
	answers := make([]answer, count)
	release := s.Account.Path("release")
	for i := range count {
		all.Go(func() {
			answers[i] = s.ssh(t, "", lab.Alias, fmt.Sprintf("touch %s.%d; while ! [ -e %s ]; do sleep 0.1; done; echo %d", release, i, release, i))
		})
	}
	lab.Eventually(t, lab.Patience, "all run at once", func() bool {
		for i := range count {
			if _, err := os.Lstat(fmt.Sprintf("%s.%d", release, i)); err != nil {
				return false
			}
		}
		return true
	})
	if links := s.Relay.OpenLinks(); links > count/3+1 {
		t.Errorf("%d connections for %d sessions", links, count)
	}
	lab.WriteFile(t, release, "")
	all.Wait()
	for i, a := range answers {
		if a != (answer{out: fmt.Sprintln(i)}) {
			t.Errorf("session %d: %v", i, a)
		}
	}
}

// A planned replacement leaves a running session on the old connection until it ends.
func TestReplacementUnderARunningSession(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), "TunneldDrain 1s")
	began := s.Account.Path("began")
	cmd := s.client(t.Context(), "ssh", "-F", s.Account.Path("config"), lab.Alias, "touch "+began+"; cat; exit 9")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, lab.Patience, "the session runs", func() bool { _, err := os.Lstat(began); return err == nil })
	s.Account.Expect(0, "reconnected", "reconnect", lab.Alias)
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true")
	lab.Never(t, 2*time.Second, "the session ends", func() bool { return s.Relay.OpenLinks() < 2 })
	fmt.Fprint(in, "still there")
	in.Close()
	cmd.Wait()
	if out.String() != "still there" || cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("%q, exit %d", out.String(), cmd.ProcessState.ExitCode())
	}
	lab.Eventually(t, lab.Patience, "the old connection goes", func() bool { return s.Relay.OpenLinks() == 1 })
}

// A forward that a client asked for stays through a reconnect and a reload, is shown as added, and goes with -O cancel,
// which leaves those of the configuration alone.
func TestForwardsAtRunTime(t *testing.T) {
	t.Parallel()
	echo := lab.StartTarget(t, lab.Echo).Address()
	own, added := lab.FreePort(t), lab.FreePort(t)
	s := startMaster(t, lab.Tunneld, lab.StartSSHD(t), fmt.Sprintf("LocalForward %d %s", own, echo))
	works := func(port int) bool {
		conn, err := net.Dial("tcp", lab.Loopback(port))
		if err != nil {
			return false
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(lab.Patience))
		fmt.Fprint(conn, "ping")
		b := make([]byte, 4)
		_, err = io.ReadFull(conn, b)
		return err == nil && string(b) == "ping"
	}
	spec := fmt.Sprintf("%d:%s", added, echo)
	if a := s.ssh(t, "", "-O", "forward", "-L", spec, lab.Alias); a.code != 0 {
		t.Fatal(a)
	}
	if !works(added) || !works(own) {
		t.Error("a forward does not carry")
	}
	mark := s.master.Mark()
	s.Relay.Cut()
	lab.WaitUp(t, s.master, mark)
	s.Account.Expect(0, "reloaded", "reload", lab.Alias)
	if !works(added) || !works(own) {
		t.Error("a forward does not carry after a reconnect and a reload")
	}
	text, _ := s.Account.Ask("status", "--json")
	if strings.Count(text, `"added": true`) != 1 {
		t.Errorf("status: %s", text)
	}
	if a := s.ssh(t, "", "-O", "cancel", "-L", spec, lab.Alias); a.code != 0 {
		t.Error(a)
	}
	if works(added) || !works(own) {
		t.Error("after cancel: the added one carries, or that of the configuration does not")
	}
	s.must(t, "", "ssh", "-F", s.Account.Path("config"), lab.Alias, "true") // sends the forward of the configuration along
	if count := s.Relay.Count(); count > 2 {
		t.Errorf("%d connections", count)
	}
}

// What stands at the path when tunneld starts, and when it ends.
func TestWhoHasTheSocket(t *testing.T) {
	t.Parallel()
	s := startMaster(t, lab.OpenSSH, lab.StartSSHD(t))
	alive := func(pid int) bool {
		a := s.ssh(t, "", "-O", "check", lab.Alias)
		return a.code == 0 && strings.HasPrefix(a.err, fmt.Sprintf("Master running (pid=%d)", pid))
	}
	ours := s.Start(lab.Tunneld)
	ours.WaitLine(t, 0, lab.Patience, "a warning", lab.Said("not sharing the connection with ssh, trying again"))
	if !alive(s.master.Pid()) {
		t.Error("ssh's master is not left alone")
	}
	s.master.Kill() // and leaves its socket behind
	lab.Eventually(t, lab.Patience, "tunneld takes the stale socket over", func() bool { return alive(ours.Pid()) })
	ours.Kill()
	lab.Eventually(t, lab.Patience, "the socket is stale", func() bool { return !alive(ours.Pid()) })
	os.Remove(s.socket)
	other := s.Account.Run(lab.OpenSSH, []string{"ssh", "-F", s.Account.Path("config"), "-M", "-N", lab.Alias})
	lab.Eventually(t, lab.Patience, "ssh is master again", func() bool { return alive(other.Pid()) })
	last := s.Start(lab.Tunneld, "-o", "ControlMaster=yes")
	lab.Eventually(t, lab.Patience, "tunneld with ControlMaster yes takes it from a living master", func() bool { return alive(last.Pid()) })
	last.Signal(15)
	if code := last.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Lstat(s.socket); err == nil {
		t.Error("the socket is left")
	}
}
