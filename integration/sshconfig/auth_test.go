package sshconfig

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

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/sys/unix"
)

// noSecret fails the test when the passphrase is in what a program said.
func noSecret(t *testing.T, c *lab.Child) {
	t.Helper()
	if strings.Contains(c.Text(), "sesame") {
		t.Error("the passphrase was told")
	}
}

func TestPassphraseIsAskedOnceInALifetime(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Account.Encrypt()
	asked := l.Account.Path("asked")
	lab.WriteFile(t, l.Account.Path("askpass"), fmt.Sprintf("#!/bin/sh\necho \"$1\" >>%s\necho '%s'\n", asked, lab.Secret))
	os.Chmod(l.Account.Path("askpass"), 0o700)
	l.Prefix = []string{"env", "SSH_ASKPASS=" + l.Account.Path("askpass"), "SSH_ASKPASS_REQUIRE=force"}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	l.Outages(c, r, 3)
	prompts, _ := os.ReadFile(asked)
	if want := "Enter passphrase for key '" + l.Account.Path("id_ed25519") + "': \n"; string(prompts) != want {
		t.Errorf("asked %q, want once %q", prompts, want)
	}
	noSecret(t, c)
}

func TestPassphraseFromAFile(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(l *lab.Lab, directory string){
		"TunneldPassphraseFile": func(l *lab.Lab, directory string) {
			l.Options("TunneldPassphraseFile " + filepath.Join(directory, "passphrase"))
		},
		"systemd's credential": func(l *lab.Lab, directory string) {
			l.Prefix = []string{"env", "CREDENTIALS_DIRECTORY=" + directory}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			l.Account.Encrypt()
			directory := t.TempDir()
			lab.WriteFile(t, filepath.Join(directory, "passphrase"), lab.Secret+"\n")
			arrange(l, directory)
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
			l.WaitWorking(c, r)
			os.Remove(filepath.Join(directory, "passphrase")) // it was needed once
			l.Outages(c, r, 1)
			noSecret(t, c)
		})
	}
}

func TestNobodyKnowsThePassphrase(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Account.Encrypt()
	c := l.Account.Tunneld(append([]string{"up", lab.Alias, "-F", l.Account.Path("config")}, lab.Forwarded(t)[1:]...)...)
	if code := c.WaitExit(t, lab.Patience); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	lab.TwoLines(t, c.Text(), "no passphrase")
	if !strings.Contains(c.Text(), "TunneldPassphraseFile") {
		t.Error("the hint does not say what to set")
	}
}

func TestPassphraseAtTheTerminal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "setsid")
	l := lab.New(t)
	l.Account.Encrypt()
	keyboard, terminal := openTerminal(t)
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	words := append([]string{"-c", "-w", l.Account.Binary(), "up", lab.Alias, "--log-format", "json", "--log-level", "debug",
		"-F", l.Account.Path("config")}, r.Flags...)
	cmd := exec.Command("setsid", words...)
	cmd.Env, cmd.Dir, cmd.Stdin = l.Account.Environment(), l.Account.Dir, terminal
	c := lab.StartChild(t, "tunneld", cmd)
	t.Cleanup(func() { lab.ProcessTree(c.Pid()).Signal(unix.SIGKILL) })

	if err := keyboard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(keyboard)
	for _, answer := range []string{"a mistake", lab.Secret} {
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
	l.WaitWorking(c, r)
	noSecret(t, c)
}

// agent is OpenSSH's ssh-agent with the account's key.
type agent struct {
	socket  string
	process *lab.Child
}

// startAgent runs an agent on socket, in place of one that has ended.
func startAgent(t *testing.T, a *lab.Account, socket string) *agent {
	t.Helper()
	lab.Need(t, "ssh-agent", "ssh-add")
	os.Remove(socket)
	g := &agent{socket: socket, process: a.Run("ssh-agent", []string{"ssh-agent", "-D", "-a", socket})}
	lab.Eventually(t, lab.Patience, "ssh-agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	cmd := exec.Command("ssh-add", "-q", a.Path("key"))
	cmd.Env = append(a.Environment(), "SSH_AUTH_SOCK="+socket)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v\n%s", err, output)
	}
	return g
}

// A key that only the agent has: the agent's end and its new start on the same path cost attempts, not the tunnel.
func TestAgentThatGoesAndComesBack(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	if err := os.Rename(l.Account.Path("id_ed25519"), l.Account.Path("key")); err != nil {
		t.Fatal(err)
	}
	directory, err := os.MkdirTemp("", "agent") // the test's own is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	socket := filepath.Join(directory, "socket")
	g := startAgent(t, l.Account, socket)
	l.Prefix = []string{"env", "SSH_AUTH_SOCK=" + socket}
	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
	for range 2 {
		l.WaitWorking(c, r)
		g.process.Kill()
		l.Server.Kill()
		l.Server.Start()
		refused := func(line lab.Line) bool { return lab.IsFailed(line) && line.Field("phase") == "authentication" } // before that the server may be away yet
		failed := len(c.Matching(refused))
		lab.Eventually(t, lab.Patience, "an attempt without the agent", func() bool {
			return len(c.Matching(refused)) > failed || !c.Running()
		})
		if !c.Running() {
			t.Fatalf("ended with %d while the agent was away", c.ExitCode())
		}
		if last := c.Matching(refused)[failed]; !strings.Contains(last.Text, "agent") {
			t.Errorf("the log does not say that the agent is away: %s", last.Text)
		}
		g = startAgent(t, l.Account, socket)
	}
	l.WaitWorking(c, r)
}
