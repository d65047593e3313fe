package service

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// Somebody types Ctrl-C, reads what it waits for, and types it again.
func TestSecondCtrlCEndsAtOnce(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	m := onTerminal(t, l, "up", "-F", l.Account.Path("config"), "one", "-o", "TunneldDrain=10m")
	m.Wait("connected")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "hello", lab.Patience))
	m.Type("\x03")
	m.Wait("waiting up to 10m0s for 1 connection; Ctrl-C again ends at once")
	lab.Check(t, lab.Exchange(open, "it goes on meanwhile", lab.Patience))
	<-time.After(300 * time.Millisecond) // what comes sooner is the same key; and each throws away what the screen has yet to show
	m.Type("\x03")
	m.Wait("exiting at once")
	lab.ExpectReset(t, "the client", lab.ReadToEnd(open, lab.Patience))
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// What `down` waits for stands in a line of the terminal that moves, and is gone when the wait is over.
func TestDownShowsALineThatMoves(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.Up(1, "one", "-o", "TunneldDrain=10m")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "hello", lab.Patience))
	m := onTerminal(t, l, "down", "one")
	frame := regexp.MustCompile(`\r([|/\\-]) one: waiting up to 10m0s for 1 connection, (\d+m\d+s) left`)
	lab.Eventually(t, lab.Patience, "it moves", func() bool {
		turns, times := map[string]bool{}, map[string]bool{}
		for _, shown := range frame.FindAllStringSubmatch(m.Shown(), -1) {
			turns[shown[1]], times[shown[2]] = true, true
		}
		return len(turns) == 4 && len(times) > 1
	})
	if shown := m.Shown(); strings.Contains(shown, "\n") {
		t.Errorf("it is more than a line: %q", shown)
	}
	open.Close()
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	lab.Eventually(t, lab.Patience, "the line is gone", func() bool { return regexp.MustCompile(`\r\x1b\[Kone: stopped in \S+\r\n$`).MatchString(m.Shown()) })
}

// A window that is closed takes the shell with it, and not what the shell has put into the background by -f.
func TestBackgroundOutlivesTheTerminal(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	cmd := exec.Command("sh", "-i")
	cmd.Dir = l.Account.Dir
	cmd.Env = append(l.Account.Environment(), "TERM=dumb", "PS1=> ", "TUNNELD="+l.Account.Binary())
	m := lab.NewTerminal(t, 200, 40, nil)
	m.Start(cmd)
	m.Wait("> ")
	m.Type("\"$TUNNELD\" up -f -F config one; echo ended with $?\n")
	m.Wait("ended with 0")
	pid := processOf(t, strings.ReplaceAll(m.Shown(), "\r", ""))
	m.HangUp()
	lab.Check(t, one.Works(lab.Patience))
	if gone(pid) {
		t.Error("it has ended")
	}
	text, _ := l.Account.Ask("log", "one")
	if strings.Contains(text, "reloaded") || strings.Contains(text, "stopping") {
		t.Errorf("the hangup has reached it:\n%s", text)
	}
	l.Account.Expect(0, "one: stopped", "down", "one")
	lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
}
