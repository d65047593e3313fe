package integration

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

// sshd is OpenSSH's server, run from a temporary directory on 127.0.0.1. Its log is shown when the test fails.
type sshd struct {
	t        testing.TB
	dir      string
	port     int
	hostKey  ssh.PublicKey
	prefix   []string  // words before the command line, for example to enter a network namespace
	process  *child    // nil while it is down
	sessions processes // of earlier runs that may still live
}

// newSSHD prepares a server without starting it. The lines are of sshd_config(5) and win over the defaults.
func newSSHD(t testing.TB, lines ...string) *sshd {
	t.Helper()
	need(t, "sshd")
	s := &sshd{t: t, dir: t.TempDir(), port: freePort(t)}
	s.hostKey = writeKey(t, s.path("host_key"))
	s.configure(lines...)
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			log, _ := os.ReadFile(s.path("log"))
			t.Logf("log of sshd on port %d:\n%s", s.port, tail(string(log), 200))
		}
	})
	return s
}

// startSSHD gives a running server.
func startSSHD(t testing.TB, lines ...string) *sshd {
	t.Helper()
	s := newSSHD(t, lines...)
	s.start()
	return s
}

// configure writes sshd_config anew; it holds from the next start.
func (s *sshd) configure(lines ...string) {
	s.t.Helper()
	lines = append(slices.Clone(lines),
		fmt.Sprint("Port ", s.port),
		"ListenAddress 127.0.0.1",
		"HostKey "+s.path("host_key"),
		"AuthorizedKeysFile "+s.path("authorized_keys"),
		"PidFile none",
		"UsePAM no",
		"StrictModes no", // temporary directories may be open to all
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"MaxStartups 1000",
		"LogLevel VERBOSE",
	)
	writeFile(s.t, s.path("sshd_config"), strings.Join(lines, "\n")+"\n")
}

// authorize lets key log in as the user who runs the tests.
func (s *sshd) authorize(key ssh.PublicKey) {
	s.t.Helper()
	file, err := os.OpenFile(s.path("authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(ssh.MarshalAuthorizedKey(key)); err != nil {
		s.t.Fatal(err)
	}
}

// start runs it on its port and waits until it answers.
func (s *sshd) start() {
	s.t.Helper()
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd's unprivileged half is locked up
	}
	binary, err := findProgram("sshd")
	if err != nil {
		s.t.Fatal(err)
	}
	words := append(slices.Clone(s.prefix), binary, "-D", "-f", s.path("sshd_config"), "-E", s.path("log"))
	s.process = startChild(s.t, "sshd", exec.Command(words[0], words[1:]...))
	if len(s.prefix) == 0 {
		s.waitListening()
	}
}

func (s *sshd) waitListening() {
	s.t.Helper()
	eventually(s.t, patience, fmt.Sprintf("sshd listens on port %d", s.port), func() bool {
		if !s.process.running() {
			s.t.Fatalf("sshd ended: %s", s.process.output())
		}
		return accepts(s.address())
	})
}

// kill ends the server and every session with SIGKILL, all in the same instant as far as a client can tell.
func (s *sshd) kill() {
	if s.process != nil {
		s.sessions = append(s.sessions, stopTree(s.process.pid())...)
		s.sessions.signal(syscall.SIGKILL)
		<-s.process.done
		s.process = nil
	} else {
		s.sessions.signal(syscall.SIGKILL)
	}
	s.sessions = nil
}

// killSessions ends the sessions and leaves the listening process alone.
func (s *sshd) killSessions() {
	processTree(s.process.pid()).below().signal(syscall.SIGKILL)
}

// freeze stops the server and all sessions without closing anything, until thaw.
func (s *sshd) freeze() processes { return stopTree(s.process.pid()) }

// thaw lets the frozen go on.
func (s *sshd) thaw(frozen processes) { frozen.signal(syscall.SIGCONT) }

// address is host:port.
func (s *sshd) address() string { return loopback(s.port) }

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

// log gives what the server has logged so far.
func (s *sshd) log() string {
	data, _ := os.ReadFile(s.path("log"))
	return string(data)
}

// writeKey writes a new ed25519 private key in OpenSSH's format, and the public one beside it.
func writeKey(t testing.TB, path string) ssh.PublicKey {
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
	writeFile(t, path, string(pem.EncodeToMemory(block)))
	writeFile(t, path+".pub", string(ssh.MarshalAuthorizedKey(key)))
	return key
}

// writeFile writes a file that only we may read.
func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tail gives the last lines of a text.
func tail(text string, count int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
