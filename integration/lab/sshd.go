package lab

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Sshd is OpenSSH's server, run from a temporary directory on 127.0.0.1. Its log is shown when the test fails.
type Sshd struct {
	t        testing.TB
	Dir      string
	Port     int
	HostKey  ssh.PublicKey
	Prefix   []string  // words before the command line, for example to enter a network namespace
	Process  *Child    // nil while it is down
	sessions Processes // of earlier runs that may still live
}

// NewSSHD prepares a server without starting it. The lines are of sshd_config(5) and win over the defaults.
func NewSSHD(t testing.TB, lines ...string) *Sshd {
	t.Helper()
	Need(t, "sshd")
	s := &Sshd{t: t, Dir: t.TempDir(), Port: FreePort(t)}
	s.HostKey = WriteKey(t, s.Path("host_key"))
	Check(t, os.Mkdir(s.Path("home"), 0o700))
	s.Configure(lines...)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			log, _ := os.ReadFile(s.Path("log"))
			t.Logf("log of sshd on port %d:\n%s", s.Port, Tail(string(log), 200))
		}
	})
	return s
}

// StartSSHD returns a running server.
func StartSSHD(t testing.TB, lines ...string) *Sshd {
	t.Helper()
	s := NewSSHD(t, lines...)
	s.Start()
	return s
}

// QuickKex keeps ssh from sntrup761, which takes the two a seventh of a second of a core; tunneld does not know it.
const QuickKex = "KexAlgorithms -sntrup761*"

// measures reports whether ssh is to be as slow as it is.
func measures(t testing.TB) bool {
	_, benchmark := t.(*testing.B)
	return benchmark || slices.ContainsFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TUNNELD_BENCH") })
}

// Configure rewrites sshd_config, which takes effect at the next start.
func (s *Sshd) Configure(lines ...string) {
	s.t.Helper()
	lines = append(slices.Clone(lines),
		fmt.Sprint("Port ", s.Port),
		"ListenAddress 127.0.0.1",
		"HostKey "+s.Path("host_key"),
		"AuthorizedKeysFile "+s.Path("authorized_keys"),
		"PidFile none",
		"UsePAM no",
		"StrictModes no", // temporary directories may be open to all
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"MaxStartups 1000",
		"SetEnv HOME="+s.Path("home"), // where no .bashrc adds words of its own to what a session says
		"LogLevel VERBOSE",
	)
	if !measures(s.t) {
		lines = append(lines, QuickKex)
	}
	WriteFile(s.t, s.Path("sshd_config"), strings.Join(lines, "\n")+"\n")
}

// Authorize lets key log in as the user who runs the tests.
func (s *Sshd) Authorize(key ssh.PublicKey) {
	s.t.Helper()
	file, err := os.OpenFile(s.Path("authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(ssh.MarshalAuthorizedKey(key)); err != nil {
		s.t.Fatal(err)
	}
}

// Start runs it on its port and waits until it answers.
func (s *Sshd) Start() {
	s.t.Helper()
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd's unprivileged half is locked up
	}
	binary, err := FindProgram("sshd")
	if err != nil {
		s.t.Fatal(err)
	}
	words := append(slices.Clone(s.Prefix), binary, "-D", "-f", s.Path("sshd_config"), "-E", s.Path("log"))
	s.Process = StartChild(s.t, "sshd", exec.Command(words[0], words[1:]...))
	if len(s.Prefix) == 0 {
		s.WaitListening()
	}
}

func (s *Sshd) WaitListening() {
	s.t.Helper()
	Eventually(s.t, Patience, fmt.Sprintf("sshd listens on port %d", s.Port), func() bool {
		if !s.Process.Running() {
			s.t.Fatalf("sshd ended: %s", s.Process.Output())
		}
		return Accepts(s.Address())
	})
}

// Kill ends the server and every session with SIGKILL, all in the same instant as far as a client can tell.
func (s *Sshd) Kill() {
	if s.Process != nil {
		s.sessions = append(s.sessions, StopTree(s.Process.Pid())...)
		s.sessions.Signal(syscall.SIGKILL)
		<-s.Process.done
		s.Process = nil
	} else {
		s.sessions.Signal(syscall.SIGKILL)
	}
	s.sessions = nil
}

// KillSessions ends the sessions and leaves the listening process alone.
func (s *Sshd) KillSessions() {
	ProcessTree(s.Process.Pid()).Below().Signal(syscall.SIGKILL)
}

// Freeze stops the server and all sessions without closing anything, until thaw.
func (s *Sshd) Freeze() Processes { return StopTree(s.Process.Pid()) }

// Thaw lets the frozen go on.
func (s *Sshd) Thaw(frozen Processes) { frozen.Signal(syscall.SIGCONT) }

// Address is host:port.
func (s *Sshd) Address() string { return Loopback(s.Port) }

func (s *Sshd) Path(name string) string { return filepath.Join(s.Dir, name) }

// Log returns what the server has logged so far.
func (s *Sshd) Log() string {
	data, _ := os.ReadFile(s.Path("log"))
	return string(data)
}

// WriteKey writes a new ed25519 private key in OpenSSH's format, and the public one beside it.
func WriteKey(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "tunneld integration test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	WriteFile(t, path, string(pem.EncodeToMemory(block)))
	WriteFile(t, path+".pub", string(ssh.MarshalAuthorizedKey(key)))
	return key
}

// WriteFile writes a file that only we may read.
func WriteFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Tail returns the last lines of a text.
func Tail(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
