package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noSecret fails the test when the passphrase is in what a program said.
func noSecret(t *testing.T, c *child) {
	t.Helper()
	if strings.Contains(c.text(), "sesame") {
		t.Error("the passphrase was told")
	}
}

func TestPassphraseIsAskedOnceInALifetime(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.account.encrypt()
	asked := l.account.path("asked")
	writeFile(t, l.account.path("askpass"), fmt.Sprintf("#!/bin/sh\necho \"$1\" >>%s\necho '%s'\n", asked, secret))
	os.Chmod(l.account.path("askpass"), 0o700)
	l.prefix = []string{"env", "SSH_ASKPASS=" + l.account.path("askpass"), "SSH_ASKPASS_REQUIRE=force"}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, hasty...)
	l.outages(c, r, 3)
	prompts, _ := os.ReadFile(asked)
	if want := "Enter passphrase for key '" + l.account.path("id_ed25519") + "': \n"; string(prompts) != want {
		t.Errorf("asked %q, want once %q", prompts, want)
	}
	noSecret(t, c)
}

func TestPassphraseFromAFile(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(l *lab, directory string){
		"TunneldPassphraseFile": func(l *lab, directory string) {
			l.options("TunneldPassphraseFile " + filepath.Join(directory, "passphrase"))
		},
		"systemd's credential": func(l *lab, directory string) {
			l.prefix = []string{"env", "CREDENTIALS_DIRECTORY=" + directory}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.account.encrypt()
			directory := t.TempDir()
			writeFile(t, filepath.Join(directory, "passphrase"), secret+"\n")
			arrange(l, directory)
			r := localRoute(t, startTarget(t, echo).address())
			c := l.open(tunneld, []route{r}, hasty...)
			l.waitWorking(c, r)
			os.Remove(filepath.Join(directory, "passphrase")) // it was needed once
			l.outages(c, r, 1)
			noSecret(t, c)
		})
	}
}

func TestNobodyKnowsThePassphrase(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.account.encrypt()
	c := l.account.tunneld(append([]string{"up", alias, "-F", l.account.path("config")}, forwarded(t)[1:]...)...)
	if code := c.waitExit(t, patience); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	twoLines(t, c.text(), "no passphrase")
	if !strings.Contains(c.text(), "TunneldPassphraseFile") {
		t.Error("the hint does not say what to set")
	}
}

func TestPassphraseAtTheTerminal(t *testing.T) {
	t.Parallel()
	need(t, "setsid")
	l := newLab(t)
	l.account.encrypt()
	keyboard, terminal := openTerminal(t)
	r := localRoute(t, startTarget(t, echo).address())
	words := append([]string{"-c", "-w", l.account.binary(), "up", alias, "--log-format", "json", "--log-level", "debug",
		"-F", l.account.path("config")}, r.flags...)
	cmd := exec.Command("setsid", words...)
	cmd.Env, cmd.Dir, cmd.Stdin = l.account.environment(), l.account.dir, terminal
	c := startChild(t, "tunneld", cmd)
	t.Cleanup(func() { processTree(c.pid()).signal(unix.SIGKILL) })

	if err := keyboard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(keyboard)
	for _, answer := range []string{"a mistake", secret} {
		var shown strings.Builder
		for !strings.HasSuffix(shown.String(), "id_ed25519': ") {
			b, err := screen.ReadByte()
			if err != nil {
				t.Fatalf("terminal shows %q: %v", shown.String(), err)
			}
			shown.WriteByte(b)
		}
		if strings.Contains(shown.String(), "mistake") {
			t.Errorf("terminal shows the answer: %q", shown.String())
		}
		fmt.Fprintln(keyboard, answer)
	}
	l.waitWorking(c, r)
	noSecret(t, c)
}

// openTerminal makes a pseudo terminal: what is written to keyboard was typed at it.
func openTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	raw, err := keyboard.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number, failed := 0, error(nil)
	raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if failed != nil {
		t.Skipf("no pseudo terminals: %v", failed)
	}
	terminal, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// agent is OpenSSH's ssh-agent with the account's key.
type agent struct {
	socket  string
	process *child
}

// startAgent runs an agent on socket, in place of one that has ended.
func startAgent(t *testing.T, a *account, socket string) *agent {
	t.Helper()
	need(t, "ssh-agent", "ssh-add")
	os.Remove(socket)
	g := &agent{socket: socket, process: a.run("ssh-agent", []string{"ssh-agent", "-D", "-a", socket})}
	eventually(t, patience, "ssh-agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	cmd := exec.Command("ssh-add", "-q", a.path("key"))
	cmd.Env = append(a.environment(), "SSH_AUTH_SOCK="+socket)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v\n%s", err, output)
	}
	return g
}

// A key that only the agent has: the agent's end and its new start on the same path cost attempts, not the tunnel.
func TestAgentThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := os.Rename(l.account.path("id_ed25519"), l.account.path("key")); err != nil {
		t.Fatal(err)
	}
	directory, err := os.MkdirTemp("", "agent") // the test's own is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	socket := filepath.Join(directory, "socket")
	g := startAgent(t, l.account, socket)
	l.prefix = []string{"env", "SSH_AUTH_SOCK=" + socket}
	r := localRoute(t, startTarget(t, echo).address())
	c := l.open(tunneld, []route{r}, hasty...)
	for range 2 {
		l.waitWorking(c, r)
		g.process.kill()
		l.server.kill()
		l.server.start()
		failed := len(c.matching(isFailed))
		eventually(t, patience, "an attempt without the agent", func() bool {
			return len(c.matching(isFailed)) > failed || !c.running()
		})
		if !c.running() {
			t.Fatalf("ended with %d while the agent was away", c.exitCode())
		}
		if last := c.matching(isFailed)[failed]; last.field("phase") != "authentication" || !strings.Contains(last.text, "agent") {
			t.Errorf("the log does not say that the agent is away: %s", last.text)
		}
		g = startAgent(t, l.account, socket)
	}
	l.waitWorking(c, r)
}
