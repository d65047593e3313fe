// Package master holds tunneld to what OpenSSH's own ControlMaster does for its clients.
package master

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	socket string
	master *lab.Child
}

// startMaster starts a master for the alias and waits until clients can ride on it.
func startMaster(t *testing.T, p lab.Program, server *lab.Sshd, lines ...string) *side {
	t.Helper()
	lab.Need(t, "ssh")
	dir := t.TempDir()
	socket := filepath.Join(dir, "cm")
	lines = slices.Concat([]string{"IgnoreUnknown Tunneld*"}, lines, []string{"ControlMaster auto", "ControlPath " + socket})
	s := &side{Lab: lab.LabOf(t, server, lines...), name: string(p), socket: socket}
	s.start(t, p)
	return s
}

func (s *side) start(t *testing.T, p lab.Program, flags ...string) {
	t.Helper()
	if p == lab.OpenSSH {
		s.master = s.Account.Run(p, append([]string{"ssh", "-F", s.Account.Path("config"), "-M", "-N"}, append(flags, lab.Alias)...))
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
	return s.run(t, input, append([]string{"ssh", "-F", s.Account.Path("config")}, words...)...)
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
	server := lab.StartSSHD(t, "AcceptEnv FOO LC_*", "Subsystem sftp internal-sftp")
	return startMaster(t, lab.Tunneld, server, lines...), startMaster(t, lab.OpenSSH, server, lines...)
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
