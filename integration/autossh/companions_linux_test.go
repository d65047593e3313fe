package autossh

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
)

// onTerminal starts what r prepared on a terminal of its own, with unusual modes, before which a person sits.
func (r *run) onTerminal(t *testing.T) *lab.Terminal {
	t.Helper()
	m := lab.NewTerminal(t, 80, 24, func(s *unix.Termios) {
		s.Cc[unix.VERASE], s.Cc[unix.VEOL] = 8, 7
		s.Iflag |= unix.IMAXBEL
		s.Lflag = s.Lflag&^unix.ECHOKE | unix.NOFLSH
	})
	r.cmd = exec.Command(r.words[0], r.words[1:]...)
	r.cmd.Env, r.cmd.Dir = append(slices.Clone(r.environ), "TERM=vt220"), r.dir
	m.Start(r.cmd)
	t.Cleanup(func() {
		tree := lab.ProcessTree(r.pid())
		tree.Signal(syscall.SIGTERM)
		if !lab.Within(lab.Patience, func() bool { return !r.lives() }) {
			tree.Signal(syscall.SIGKILL)
		}
		r.relay.Cut()
		if t.Failed() {
			t.Logf("%q said\n%s", r.words, r.log())
		}
	})
	return m
}

// The scripts with the real screen and the real tmux: after an outage the person is back in what was on the screen before, with
// nothing typed in between.
func TestCompanionsComeBackToTheScreen(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "screen", "tmux")
	sockets, err := os.MkdirTemp("", "screens") // the test's own is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	for whose, dir := range companionDirs(t) {
		for _, name := range []string{"rtmux", "rscreen", "ruscreen"} {
			t.Run(whose+" "+name, func(t *testing.T) {
				t.Parallel()
				comesBack(t, filepath.Join(dir, name), filepath.Join(sockets, strings.TrimSuffix(whose, "'s")+name))
			})
		}
	}
}

// comesBack runs a script against a server whose screens and tmuxes are of their own in the directory sockets.
func comesBack(t *testing.T, script, sockets string) {
	s := newScreenHost(t, sockets)
	r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 server"}, "ours")
	r.words[0] = script
	r.first(filepath.Dir(s.program))
	r.environ = append(r.environ, "SSH_AUTH_SOCK=/nonexistent") // else Debian's starts an agent, which stays
	m := r.onTerminal(t)
	m.Wait("ready>")
	r.survives(t, m)
	m.Type("exit\r")
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// newScreenHost is a server whose sessions keep their screens and tmuxes in the directory sockets, with a prompt to wait for.
func newScreenHost(t *testing.T, sockets string) *stage {
	t.Helper()
	lab.Check(t, os.Mkdir(sockets, 0o700))
	home := t.TempDir()
	lab.WriteFile(t, filepath.Join(home, ".screenrc"), "startup_message off\n")
	lab.WriteFile(t, filepath.Join(home, ".shrc"), "PS1='ready>'\n")
	variables := []string{"HOME=" + home, "TMUX_TMPDIR=" + sockets, "SCREENDIR=" + sockets, "SHELL=/bin/sh", "ENV=" + filepath.Join(home, ".shrc")}
	s := &stage{server: lab.StartSSHD(t, "SetEnv "+strings.Join(variables, " ")), account: lab.NewAccount(t), dead: lab.FreePort(t), mute: lab.FreePort(t)}
	s.server.Authorize(s.account.Key)
	s.program = filepath.Join(t.TempDir(), "autossh")
	lab.Check(t, os.Symlink(s.account.Binary(), s.program))
	s.screens = append(variables, "PATH="+os.Getenv("PATH"), "TERM=vt220")
	t.Cleanup(func() {
		cmd := exec.Command("sh", "-c", "tmux kill-server; screen -X quit")
		cmd.Env = s.screens
		cmd.Run() // there may be none
	})
	return s
}

// survives types something, cuts the connection, waits until it is on the screen again, and types on.
func (r *run) survives(t *testing.T, m *lab.Terminal) {
	t.Helper()
	m.Type("echo $((6*7))nd\r")
	m.Wait("42nd")
	shown, starts := len(m.Shown()), r.starts() // tmux may have met one that was ending, and was started again
	r.relay.Cut()
	lab.Eventually(t, lab.Patience, "what was there is shown again", func() bool { return strings.Contains(m.Shown()[shown:], "42nd") })
	m.Type("echo $((6*8))th\r")
	m.Wait("48th")
	if r.starts() != starts+1 {
		t.Errorf("%d starts, and %d before", r.starts(), starts)
	}
}

// `autossh -t host 'tmux attach'`, of a tmux that runs there.
func TestAttachedTmuxIsAttachedAgain(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "tmux")
	sockets, err := os.MkdirTemp("", "screens")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	s := newScreenHost(t, filepath.Join(sockets, "tmux"))
	start := exec.Command("tmux", "new-session", "-d")
	start.Env = s.screens
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 -t server tmux·attach"}, "ours")
	m := r.onTerminal(t)
	m.Wait("ready>")
	r.survives(t, m)
	m.Type("\x02d") // detach
	if code := m.End(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	m.Wait("Connection to 127.0.0.1 closed.")
}

// The escape character ends the connection, which autossh makes anew; -e chooses it, and none has the keys go through.
func TestEscapeCharacter(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for flag, keys := range map[string]string{"-t": "\r~.", "-te ^X": "\r\x18.", "-te none": "\r~.\r"} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 -M 0 " + flag + " server stty·-echo;·echo·$((6*7))nd;·cat"}, "ours")
			m := r.onTerminal(t)
			m.Wait("42nd")
			m.Type(keys)
			if flag != "-te none" {
				lab.Eventually(t, lab.Patience, "it is started again", func() bool { return strings.Count(m.Shown(), "42nd") == 2 && r.starts() == 2 })
				return
			}
			m.Wait("~.")
			m.Type("\x04")
			if code := m.End(); code != 0 || r.starts() != 1 {
				t.Errorf("exit code %d after %d starts", code, r.starts())
			}
		})
	}
}
