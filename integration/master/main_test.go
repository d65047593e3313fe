// Package master holds tunneld to what OpenSSH's own ControlMaster does for its clients.
package master

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// side is a master with its clients: tunneld's or ssh's own.
type side struct {
	*lab.Lab
	name   string
	stock  string // the ssh that clients run
	socket string
	master *lab.Child
}

// oldest and newest are the ssh of the distribution and the newest that its archive has (integration/tools.sh).
const oldest, newest = "ssh", "ssh-newest"

// startMaster starts a master for the alias and waits until clients can ride on it.
func startMaster(t *testing.T, p lab.Program, server *lab.Sshd, lines ...string) *side {
	t.Helper()
	s := newSide(t, p, server, lines...)
	s.start(t, p)
	return s
}

// newSide is startMaster without the start.
func newSide(t *testing.T, p lab.Program, server *lab.Sshd, lines ...string) *side {
	t.Helper()
	lab.Need(t, oldest)
	socket := filepath.Join(t.TempDir(), "cm")
	lines = slices.Concat([]string{"IgnoreUnknown Tunneld*"}, lines, []string{"ControlMaster auto", "ControlPath " + socket})
	return &side{Lab: lab.LabOf(t, server, lines...), name: string(p), stock: oldest, socket: socket}
}

func (s *side) start(t *testing.T, p lab.Program, flags ...string) {
	t.Helper()
	if p == lab.OpenSSH {
		s.master = s.Account.Run(p, append([]string{s.stock, "-F", s.Account.Path("config"), "-M", "-N"}, append(flags, lab.Alias)...))
	} else {
		s.master = s.Start(p, flags...)
		lab.WaitUp(t, s.master, 0)
	}
	lab.Eventually(t, lab.Patience, s.name+" listens on the ControlPath", func() bool {
		_, err := os.Lstat(s.socket)
		return err == nil
	})
}

// answer is what a client left.
type answer struct {
	out, err string
	code     int
}

func (a answer) String() string { return fmt.Sprintf("exit %d\n%.400q\n%.400q", a.code, a.out, a.err) }

// client is a program that runs ssh, in the account's directory and environment.
func (s *side) client(ctx context.Context, words ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = append(s.Account.Environment(), "FOO=bar"), s.Account.Dir
	return cmd
}

// ssh runs ssh with these words behind the configuration, and returns what it left.
func (s *side) ssh(t *testing.T, input string, words ...string) answer {
	t.Helper()
	return s.run(t, input, s.words(words...)...)
}

// words puts the words of ssh behind its name and its configuration.
func (s *side) words(words ...string) []string {
	return append([]string{s.stock, "-F", s.Account.Path("config")}, words...)
}

func (s *side) run(t *testing.T, input string, words ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*lab.Patience)
	defer cancel()
	cmd := s.client(ctx, words...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &complaints
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v: %v", s.name, words, err)
	}
	if ctx.Err() != nil {
		t.Errorf("%s: %v has not ended", s.name, words)
	}
	return answer{out.String(), complaints.String(), cmd.ProcessState.ExitCode()}
}

// both starts tunneld and ssh as masters to the same server.
func both(t *testing.T, lines ...string) (ours, theirs *side) {
	t.Helper()
	return bothFor(t, oldest, lines...)
}

// bothFor is both with another ssh as client, and as master.
func bothFor(t *testing.T, stock string, lines ...string) (ours, theirs *side) {
	t.Helper()
	lab.Need(t, stock)
	server := lab.StartSSHD(t, "AcceptEnv FOO LC_*", "Subsystem copy /bin/cat") // sftp-server may end by its input's end with the answer unsent
	ours, theirs = newSide(t, lab.Tunneld, server, lines...), newSide(t, lab.OpenSSH, server, lines...)
	ours.stock, theirs.stock = stock, stock
	ours.start(t, lab.Tunneld)
	theirs.start(t, lab.OpenSSH)
	return ours, theirs
}

// begin starts a client whose input stays open, and waits until its command has said that it has begun.
func (s *side) begin(t *testing.T, command string) (cmd *exec.Cmd, in io.WriteCloser, out io.Reader) {
	t.Helper()
	cmd = s.client(t.Context(), s.words(lab.Alias, "echo began; "+command)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	late := time.AfterFunc(2*lab.Patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	if _, err := io.ReadFull(out, make([]byte, len("began\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

// exitCode waits for a client that was begun, and returns its exit code.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	late := time.AfterFunc(4*lab.Patience, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
