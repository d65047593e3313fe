package integration

import (
	"fmt"
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
	l := newLab(t)
	target := startTarget(t, echo).address()
	ours, theirs, local := remoteRoute(t, target), remoteRoute(t, target), localRoute(t, target)
	holder := l.hold(theirs)
	c := l.open(tunneld, []route{ours, local}, theirs.flags...)
	c.waitLine(t, 0, patience, "who holds the port", func(l line) bool {
		return l.field("msg") == "remote listener refused" && l.field("err") == heldWord
	})
	if state, why := l.forward(theirs.flags); state != "standby" && state != "failed" || why != heldWord {
		t.Errorf("status shows %s, %s", state, why)
	}
	if state, _ := l.forward(ours.flags); state != "listening" {
		t.Errorf("the other remote port is %s", state)
	}
	check(t, ours.works(patience))
	check(t, local.works(patience))
	holder.kill()
	eventually(t, patience, "the port is ours", func() bool { state, _ := l.forward(theirs.flags); return state == "listening" })
	check(t, theirs.works(patience))
	if lost := c.matching(isLost); len(lost) > 0 {
		t.Errorf("the connection was given up: %s", lost[0].text)
	}
}

// ExitOnForwardFailure yes ends the connection, as ssh does; it is made again, as autossh would.
func TestHeldRemotePortWithExitOnForwardFailure(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	r := remoteRoute(t, startTarget(t, echo).address())
	holder := l.hold(r)
	rival := l.start(openSSH, r.flags...)
	if code := rival.waitExit(t, patience); code != 255 {
		t.Errorf("ssh ended with %d, want 255", code)
	}
	c := l.start(tunneld, slices.Concat(r.flags, hasty, []string{"-o", "ExitOnForwardFailure=yes"})...)
	lost := waitLost(t, c, 0, patience)
	if !strings.Contains(lost.text, "remote port forwarding failed for listen port") {
		t.Errorf("ended with %s", lost.text)
	}
	waitLost(t, c, c.mark(), patience)
	holder.kill()
	check(t, untilDone(func() error { return r.works(patience) }))
}

// untilDone tries until there is no error, and gives the last one.
func untilDone(try func() error) (err error) {
	within(patience, func() bool { err = try(); return err == nil })
	return err
}

// A planned reconnect hands a remote port over: it is free for no longer than a request takes to get there.
func TestReconnectHandsRemotePortsOver(t *testing.T) {
	t.Parallel()
	const oneWay = 250 * time.Millisecond // large beside what a busy machine adds
	l := newLab(t, "TunneldEcho off")
	r := remoteRoute(t, startTarget(t, echo).address())
	l.relay.setDelay(oneWay)
	c := l.open(tunneld, []route{r})
	open := r.connect(t)
	check(t, exchange(open, "before", patience))

	from := c.mark()
	c.signal(syscall.SIGUSR1)
	var gone, back time.Time
	within(patience, func() bool {
		switch up := accepts(r.address); {
		case gone.IsZero() && !up:
			gone = time.Now()
		case !gone.IsZero() && up:
			back = time.Now()
		}
		again := func(l line) bool { return l.field("msg") == "listening" }
		return !back.IsZero() || gone.IsZero() && slices.ContainsFunc(c.since(from), again)
	})
	gap := back.Sub(gone)
	t.Logf("nobody listened for %v", gap.Round(time.Millisecond))
	if gap > 3*oneWay+oneWay/2 { // two round trips would be 4*oneWay
		t.Errorf("nobody listened for %v, want a round trip of %v", gap, 2*oneWay)
	}
	check(t, exchange(open, "after, on the old connection", patience))
	check(t, r.works(patience))
}

// The port that the server chose stands in the log, in the status and in a file, and is asked for again after a cut.
func TestServerChoosesARemotePort(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := filepath.Join(l.account.dir, "ports")
	target := startTarget(t, echo).address()
	flags := []string{"-R", "127.0.0.1:0:" + target}
	c := l.start(tunneld, slices.Concat(flags, hasty, []string{"-o", "TunneldPortFile=" + file})...)
	listens := said("listening")
	bound := c.waitLine(t, 0, patience, "the port", listens).field("listen")
	if text := l.boundAt(flags); text != bound {
		t.Errorf("the log says %s, the status %s", bound, text)
	}
	holds := func(want string) func() bool {
		return func() bool { text, _ := os.ReadFile(file); return string(text) == want }
	}
	eventually(t, patience, "the file says the same", holds(fmt.Sprintf("%s %s\n", flags[1], bound)))
	r := route{"R 0", flags, "tcp", bound, nothing}
	check(t, r.works(patience))

	from := c.mark()
	l.server.killSessions()
	waitUp(t, c, from)
	again := c.waitLine(t, from, patience, "the port", listens).field("listen")
	eventually(t, patience, "the file says so", holds(fmt.Sprintf("%s %s\n", flags[1], again)))
	if again != bound {
		t.Errorf("the port was %s and is %s now", bound, again)
	}
	c.signal(syscall.SIGTERM)
	c.waitExit(t, patience)
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is left")
	}
}

// A socket of the server that somebody left behind is the server's to remove (StreamLocalBindUnlink in sshd_config).
func TestStaleSocketAtTheServer(t *testing.T) {
	for _, unlink := range []string{"yes", "no"} {
		t.Run(unlink, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.server.kill()
			l.server.configure("StreamLocalBindUnlink " + unlink)
			l.server.start()
			path := t.TempDir() + "/s"
			left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			left.SetUnlinkOnClose(false)
			left.Close()
			r := route{"R", []string{"-R", path + ":" + startTarget(t, echo).address()}, "unix", path, nothing}
			c := l.start(tunneld, r.flags...)
			if unlink == "yes" {
				l.waitCarrying(c, r)
				check(t, r.works(patience))
				return
			}
			c.waitLine(t, 0, patience, "a refusal", said("remote listener refused"))
		})
	}
}
