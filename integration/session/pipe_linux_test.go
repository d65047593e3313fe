package session

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// Without a terminal: what ssh gives and how it ends, we give and end with.
func TestLikeSSHWithoutATerminal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, c := range []struct {
		name  string
		words []string // with HOST for the alias
		in    string
	}{
		{"output and error", []string{"HOST", "echo out; echo err >&2"}, ""},
		{"status", []string{"HOST", "exit 7"}, ""},
		{"status of a shell", []string{"HOST"}, "echo hello\nexit 3\n"},
		{"status 255", []string{"HOST", "exit 255"}, ""},
		{"killed", []string{"HOST", "kill -TERM $$"}, ""},
		{"input", []string{"HOST", "wc -c"}, strings.Repeat("x", 100_000)},
		{"no input", []string{"-n", "HOST", "wc -c"}, "ignored"},
		{"input that nobody reads", []string{"HOST", "exit 4"}, strings.Repeat("x", 5<<20)},
		{"input closed by the command", []string{"HOST", "exec <&-; sleep 0.2; echo there"}, strings.Repeat("x", 1<<20)},
		{"much output", []string{"HOST", "head -c 3000000 /dev/zero"}, ""},
		{"all bytes", []string{"HOST", "cat"}, allBytes()},
		{"escapes are for terminals", []string{"HOST", "cat"}, "~.\n~?\n~~\n"},
		{"two words", []string{"HOST", "echo", "a   b", "'c   d'"}, ""},
		{"variables", []string{"-o", "SendEnv=LC_S*", "-o", "SetEnv=LC_A=1 LC_B='2 3' OTHER=4", "HOST", "echo $LC_SENT $LC_A $LC_B $OTHER."}, ""},
		{"RemoteCommand", []string{"-o", "RemoteCommand=echo %n; exit 5", "HOST"}, ""},
		{"subsystem", []string{"-s", "HOST", "copy"}, "through"},
		{"no such subsystem", []string{"-s", "HOST", "nothing"}, ""},
		{"a terminal that is none", []string{"-t", "HOST", "tty"}, ""},
		{"a terminal all the same", []string{"-tt", "HOST", "stty -a; exit 6"}, ""},
		{"a terminal and input", []string{"-tt", "-e", "none", "HOST", "read x; echo got $x; exit 8"}, "typed\n"},
		{"no terminal", []string{"-T", "HOST", "tty"}, ""},
		{"somebody keeps the output", []string{"HOST", "sleep 0.5 & exit 6"}, ""},
		{"empty command", []string{"HOST", ""}, "exit 2\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var results [2]string
			for i, who := range clients {
				words := strings.Split(strings.ReplaceAll(strings.Join(c.words, "\x00"), "HOST", lab.Alias), "\x00")
				cmd := who.command(t, l, words...)
				var out, stderr bytes.Buffer
				cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.in), &out, &stderr
				code := run(t, cmd)
				results[i] = fmt.Sprintf("exit %d, stdout %d bytes %x %.300q, stderr %q", code, out.Len(), sha256.Sum256(out.Bytes()), out.String(), stderr.String())
			}
			if plain(results[0]) != plain(results[1]) {
				t.Errorf("ssh:     %s\ntunneld: %s", results[0], results[1])
			}
		})
	}
}

// plain leaves out ssh's line ends, which it writes in its own way to what is no terminal.
func plain(result string) string { return strings.ReplaceAll(result, `\r\n`, `\n`) }

func run(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	stop := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	defer stop.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%s: %v", cmd.Path, err)
	}
	return cmd.ProcessState.ExitCode()
}

func allBytes() string {
	var b strings.Builder
	for i := range 256 {
		b.WriteByte(byte(i))
	}
	return strings.Repeat(b.String(), 100)
}

func TestAgentIsForwarded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	lab.Need(t, "ssh-add")
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	_, key, _ := ed25519.GenerateKey(nil)
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key, Comment: "forwarded key"}); err != nil {
		t.Fatal(err)
	}
	go sshtest.ServeAgent(listener, ring)
	for _, c := range []struct {
		flag string
		code int
	}{{"-A", 0}, {"-oForwardAgent=" + socket, 0}, {"-a", 2}} {
		for _, who := range clients {
			cmd := who.command(t, l, c.flag, lab.Alias, "ssh-add -l")
			cmd.Env = append(cmd.Env, "SSH_AUTH_SOCK="+socket)
			var out bytes.Buffer
			cmd.Stdout = &out
			if code := run(t, cmd); code != c.code || strings.Contains(out.String(), "forwarded key") != (c.code == 0) {
				t.Errorf("%s %s: ended with %d, %q", who.name, c.flag, code, out.String())
			}
		}
	}
}

func TestTenMegabytesThrough(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sent := make([]byte, 10<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(sent)
	cmd := clients[1].command(t, l, lab.Alias, "cat")
	var got bytes.Buffer
	cmd.Stdin, cmd.Stdout = bytes.NewReader(sent), &got
	if code := run(t, cmd); code != 0 || !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("exit %d, %d bytes came back", code, got.Len())
	}
}

// ssh host yes | head -1, and yes | ssh host head -1.
func TestNeitherEndGoesOnAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := clients[1].command(t, l, lab.Alias, "yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(lab.Patience, func() { cmd.Process.Kill() })
	defer stop.Stop()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.ReadFull(out, make([]byte, 2))
	out.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code == 0 || code == -1 {
		t.Errorf("ended with %d", code)
	}

	exe := clients[1].command(t, l, lab.Alias, "head -1")
	shell := exec.Command("sh", "-c", `yes | "$@"`, "sh")
	shell.Args = append(shell.Args, exe.Args...)
	shell.Env = exe.Env
	if text, err := shell.Output(); err != nil || string(text) != "y\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A reader that is slow holds up the command, and not our memory.
func TestOutputThatNobodyReads(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	cmd := clients[1].command(t, l, lab.Alias, "echo begin >&2; cat /dev/zero")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child := lab.StartChild(t, "tunneld", cmd)
	if _, err := io.CopyN(io.Discard, out, 1<<20); err != nil {
		t.Fatal(err)
	}
	before := resident(t, child.Pid())
	io.CopyN(io.Discard, out, 1<<20) // the command goes on, and now everything stands
	if after := resident(t, child.Pid()); after > before+64<<20 {
		t.Errorf("grew from %d to %d MiB", before>>20, after>>20)
	}
	child.Signal(syscall.SIGTERM)
	if code := child.WaitExit(t, lab.Patience); code != 255 {
		t.Errorf("ended with %d", code)
	}
}

// resident is the memory of a process in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	return atoi(strings.Fields(string(text))[1]) * os.Getpagesize()
}

func TestLostWithoutATerminal(t *testing.T) {
	t.Parallel()
	for _, who := range clients {
		l := newLab(t)
		cmd := who.command(t, l, lab.Alias, "echo ready; sleep 1000")
		child := lab.StartChild(t, who.name, cmd)
		child.WaitLine(t, 0, lab.Patience, "ready", func(line lab.Line) bool { return line.Text == "ready" })
		l.Relay.Cut()
		if code := child.WaitExit(t, lab.Patience); code != 255 {
			t.Errorf("%s: ended with %d", who.name, code)
		}
	}
}
