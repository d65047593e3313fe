package service

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// watching is `status --watch` on a terminal of its own.
func watching(t *testing.T, l *lab.Lab, rows int, words ...string) (*lab.Terminal, *exec.Cmd) {
	t.Helper()
	m := lab.NewTerminal(t, 80, rows, nil)
	cmd := exec.Command(l.Account.Binary(), append([]string{"status", "--watch"}, words...)...)
	cmd.Env = append(l.Account.Environment(), "TERM=xterm")
	m.Start(cmd)
	return m, cmd
}

// after returns what the screen has shown since the last time it was drawn from the top.
func after(m *lab.Terminal) string {
	shown := m.Shown()
	return shown[strings.LastIndex(shown, "\x1b[H")+1:]
}

func waitFor(t *testing.T, m *lab.Terminal, text string) {
	t.Helper()
	lab.Eventually(t, lab.Patience, "the screen shows "+text, func() bool { return strings.Contains(after(m), text) })
}

// isLeft checks that the cursor and the screen of before are back.
func isLeft(t *testing.T, m *lab.Terminal) {
	t.Helper()
	lab.Eventually(t, lab.Patience, "the screen of before", func() bool { return strings.HasSuffix(m.Shown(), "\x1b[?7h\x1b[?25h\x1b[?1049l") })
}

func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.Up(2, "one", "two")
	m, _ := watching(t, l, 24)
	waitFor(t, m, "> \x1b[0m\x1b[1mone")
	waitFor(t, m, "one\x1b[0m · \x1b[32mup")
	lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
	m.Type("\x1b[B\r")
	waitFor(t, m, "enter back to the list")
	if text := after(m); !strings.Contains(text, "two") || strings.Contains(text, "one\x1b") {
		t.Errorf("it shows %q, want the details of the other tunnel", text)
	}
	m.Type("\x1b") // alone, and then nothing
	waitFor(t, m, "> \x1b[0m\x1b[1mtwo")
	m.Type("s")
	waitFor(t, m, "now by name")

	m.Resize(80, 5) // the head stays
	lab.Eventually(t, lab.Patience, "it is drawn for five lines", func() bool {
		text := after(m)
		return strings.Count(text, "\r\n") == 4 && strings.Contains(text, "2 of 2 up") && !strings.Contains(text, "1-2 of 2")
	})

	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	m.Resize(80, 24)
	waitFor(t, m, "no tunnel is running")
	l.Up(1, "two")
	waitFor(t, m, "1 of 1 up")

	m.Type("q")
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	isLeft(t, m)
}

// However it ends, the terminal is as it was.
func TestWatchGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	for name, end := range map[string]func(*lab.Terminal, *exec.Cmd){
		"Ctrl-C": func(m *lab.Terminal, _ *exec.Cmd) { m.Type("\x03") },
		"TERM":   func(_ *lab.Terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGTERM) },
		"HUP":    func(_ *lab.Terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGHUP) },
		"QUIT":   func(_ *lab.Terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGQUIT) },
		"Ctrl-Z where nobody continues it": func(m *lab.Terminal, _ *exec.Cmd) { // the leader of a session is not stopped
			m.Type("\x1a")
			lab.Eventually(t, lab.Patience, "the terminal is taken again", func() bool { return strings.Count(m.Shown(), "\x1b[?1049h") == 2 })
			lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
			m.Type("q")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, cmd := watching(t, l, 24)
			waitFor(t, m, "no tunnel is running")
			lab.Eventually(t, lab.Patience, "raw", m.IsRaw)
			end(m, cmd)
			if code := m.End(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			isLeft(t, m)
		})
	}
}

// A shell stops it with Ctrl-Z, has the terminal, and continues it.
func TestWatchIsStoppedAndContinued(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	m := lab.NewTerminal(t, 80, 24, nil)
	cmd := exec.Command("sh", "-i")
	cmd.Env = append(l.Account.Environment(), "TERM=xterm", "PS1=prompt: ", "TUNNELD="+l.Account.Binary())
	m.Start(cmd)
	m.Type("echo rea''dy\n")
	m.Wait("ready")
	m.Type("\"$TUNNELD\" status --watch\n")
	waitFor(t, m, "no tunnel is running")
	m.Type("\x1a")
	m.Wait("Stopped")
	m.Type("fg\n")
	lab.Eventually(t, lab.Patience, "it is drawn again", func() bool {
		shown := m.Shown()
		return strings.Contains(shown[strings.LastIndex(shown, "Stopped"):], "no tunnel is running")
	})
	m.Type("q")
	lab.Eventually(t, lab.Patience, "the shell has the terminal", func() bool {
		shown := m.Shown()
		left := strings.LastIndex(shown, "\x1b[?1049l")
		return strings.Count(shown, "\x1b[?1049l") == 2 && strings.Contains(shown[left:], "prompt: ")
	})
	m.Type("echo end''ed $?\n")
	m.Wait("ended 0")
}
