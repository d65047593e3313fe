package forward

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const heldWord = "held by another connection"

func TestRemotePortThatAnEarlierConnectionHolds(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	target := lab.StartTarget(t, lab.Echo).Address()
	ours, theirs, local := lab.RemoteRoute(t, target), lab.RemoteRoute(t, target), lab.LocalRoute(t, target)
	holder := l.Hold(theirs)
	c := l.Open(lab.Tunneld, []lab.Route{ours, local}, theirs.Flags...)
	c.WaitLine(t, 0, lab.Patience, "who holds the port", func(l lab.Line) bool {
		return l.Field("msg") == "remote listener refused" && l.Field("err") == heldWord
	})
	if state, why := l.Forward(theirs.Flags); state != "standby" && state != "failed" || why != heldWord {
		t.Errorf("status shows %s, %s", state, why)
	}
	if state, _ := l.Forward(ours.Flags); state != "listening" {
		t.Errorf("the other remote port is %s", state)
	}
	lab.Check(t, ours.Works(lab.Patience))
	lab.Check(t, local.Works(lab.Patience))
	holder.Kill()
	lab.Eventually(t, lab.Patience, "the port is ours", func() bool { state, _ := l.Forward(theirs.Flags); return state == "listening" })
	lab.Check(t, theirs.Works(lab.Patience))
	if lost := c.Matching(lab.IsLost); len(lost) > 0 {
		t.Errorf("the connection was given up: %s", lost[0].Text)
	}
}

// ExitOnForwardFailure yes ends the connection, as ssh does; it is made again, as autossh would.
func TestHeldRemotePortWithExitOnForwardFailure(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	r := lab.RemoteRoute(t, lab.StartTarget(t, lab.Echo).Address())
	holder := l.Hold(r)
	rival := l.Start(lab.OpenSSH, r.Flags...)
	if code := rival.WaitExit(t, lab.Patience); code != 255 {
		t.Errorf("ssh ended with %d, want 255", code)
	}
	c := l.Start(lab.Tunneld, slices.Concat(r.Flags, lab.Hasty, []string{"-o", "ExitOnForwardFailure=yes"})...)
	lost := lab.WaitLost(t, c, 0, lab.Patience)
	if !strings.Contains(lost.Text, "remote port forwarding failed for listen port") {
		t.Errorf("ended with %s", lost.Text)
	}
	lab.WaitLost(t, c, c.Mark(), lab.Patience)
	holder.Kill()
	lab.Check(t, untilDone(func() error { return r.Works(lab.Patience) }))
}

// untilDone tries until there is no error, and returns the last one.
func untilDone(try func() error) (err error) {
	lab.Within(lab.Patience, func() bool { err = try(); return err == nil })
	return err
}

// A planned reconnect hands a remote port over: it is free for no longer than a request takes to get there.
func TestReconnectHandsRemotePortsOver(t *testing.T) {
	t.Parallel()
	const oneWay = time.Second // large beside what a busy machine adds
	l := lab.New(t, "TunneldEcho off")
	r := lab.RemoteRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r})
	open := r.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))

	l.Relay.SetDelay(oneWay)
	from := c.Mark()
	c.Signal(syscall.SIGUSR1)
	var gone, back time.Time
	lab.Within(2*lab.Patience, func() bool {
		switch up := lab.Accepts(r.Address); {
		case gone.IsZero() && !up:
			gone = time.Now()
		case !gone.IsZero() && up:
			back = time.Now()
		}
		again := func(l lab.Line) bool { return l.Field("msg") == "listening" }
		return !back.IsZero() || gone.IsZero() && slices.ContainsFunc(c.Since(from), again)
	})
	gap := back.Sub(gone)
	t.Logf("nobody listened for %v", gap.Round(time.Millisecond))
	if gap > 3*oneWay+oneWay/2 { // two round trips would be 4*oneWay
		t.Errorf("nobody listened for %v, want a round trip of %v", gap, 2*oneWay)
	}
	lab.Check(t, lab.Exchange(open, "after, on the old connection", lab.Patience))
	lab.Check(t, r.Works(lab.Patience))
}

// The port that the server chose stands in the log, in the status and in a file, and is asked for again after a cut.
func TestServerChoosesARemotePort(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	file := filepath.Join(l.Account.Dir, "ports")
	target := lab.StartTarget(t, lab.Echo).Address()
	flags := []string{"-R", "127.0.0.1:0:" + target}
	c := l.Start(lab.Tunneld, slices.Concat(flags, lab.Hasty, []string{"-o", "TunneldPortFile=" + file})...)
	listens := lab.Said("listening")
	bound := c.WaitLine(t, 0, lab.Patience, "the port", listens).Field("listen")
	if text := l.BoundAt(flags); text != bound {
		t.Errorf("the log says %s, the status %s", bound, text)
	}
	holds := func(want string) func() bool {
		return func() bool { text, _ := os.ReadFile(file); return string(text) == want }
	}
	lab.Eventually(t, lab.Patience, "the file says the same", holds(fmt.Sprintf("%s %s\n", flags[1], bound)))
	r := lab.Route{Name: "R 0", Flags: flags, Network: "tcp", Address: bound, Agree: lab.Nothing}
	lab.Check(t, r.Works(lab.Patience))

	from := c.Mark()
	l.Server.KillSessions()
	lab.WaitUp(t, c, from)
	again := c.WaitLine(t, from, lab.Patience, "the port", listens).Field("listen")
	lab.Eventually(t, lab.Patience, "the file says so", holds(fmt.Sprintf("%s %s\n", flags[1], again)))
	if again != bound {
		t.Errorf("the port was %s and is %s now", bound, again)
	}
	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is left")
	}
}

// A socket of the server that somebody left behind is the server's to remove (StreamLocalBindUnlink in sshd_config).
func TestStaleSocketAtTheServer(t *testing.T) {
	for _, unlink := range []string{"yes", "no"} {
		t.Run(unlink, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			l.Server.Kill()
			l.Server.Configure("StreamLocalBindUnlink " + unlink)
			l.Server.Start()
			path := t.TempDir() + "/s"
			left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			left.SetUnlinkOnClose(false)
			left.Close()
			r := lab.Route{Name: "R", Flags: []string{"-R", path + ":" + lab.StartTarget(t, lab.Echo).Address()}, Network: "unix", Address: path, Agree: lab.Nothing}
			c := l.Start(lab.Tunneld, r.Flags...)
			if unlink == "yes" {
				l.WaitCarrying(c, r)
				lab.Check(t, r.Works(lab.Patience))
				return
			}
			refused := c.WaitLine(t, 0, lab.Patience, "a refusal", lab.Said("remote listener refused"))
			if !strings.Contains(refused.Field("err"), "StreamLocalBindUnlink yes") {
				t.Errorf("nobody learns what to do: %s", refused.Text)
			}
		})
	}
}
