package hostkey

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/procgroup"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// The same files of known hosts, judged by us and by the installed ssh before the same sshd.

// liveServer is an sshd on 127.0.0.1 with host keys of three types and a certificate.
type liveServer struct {
	dir       string
	port      int
	user      string
	keys      map[string]ssh.PublicKey // by type's first word
	authority ssh.PublicKey            // certified the ed25519 key for 127.0.0.1
}

// startLiveServer runs sshd until the test ends. The lines are of sshd_config(5), with DIR for the server's directory.
func startLiveServer(t *testing.T, lines ...string) *liveServer {
	t.Helper()
	program(t, "ssh")
	sshd := program(t, "sshd")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &liveServer{dir: t.TempDir(), port: freeLocalPort(t), user: account.Username, keys: map[string]ssh.PublicKey{}}
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		s.keys[kind] = readPublic(t, writePrivate(t, s.dir, kind)+".pub")
	}
	s.authority = readPublic(t, writePrivate(t, s.dir, "ecdsa ca")+".pub")
	writePrivate(t, s.dir, "ed25519 login")
	mustRun(t, "ssh-keygen", "-q", "-s", s.path("ecdsa_ca"), "-h", "-I", "live host", "-n", "127.0.0.1,alias", "-z", "9", s.path("ed25519.pub"))
	lines = append(slices.Clone(lines), fmt.Sprint("Port ", s.port), "ListenAddress 127.0.0.1", "PidFile none", "UsePAM no", "StrictModes no",
		"PermitRootLogin yes", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxStartups 1000",
		"KexAlgorithms -sntrup761*", // which takes the two a seventh of a second of a core
		"AuthorizedKeysFile "+s.path("ed25519_login.pub"), "HostKey "+s.path("ed25519"), "HostKey "+s.path("ecdsa"), "HostKey "+s.path("rsa"), "")
	if err := os.WriteFile(s.path("sshd_config"), []byte(strings.ReplaceAll(strings.Join(lines, "\n"), "DIR", s.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(t, sshd, "-D", "-e", "-f", s.path("sshd_config"))
	return s
}

// run starts a server and waits until it listens on the port.
func (s *liveServer) run(t *testing.T, words ...string) {
	t.Helper()
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // where sshd's unprivileged half is locked up
	}
	command := exec.Command(words[0], words[1:]...)
	procgroup.Lead(command)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		procgroup.Kill(command)
		command.Wait()
		if t.Failed() {
			t.Logf("server:\n%s", tailText(output.String(), 4000))
		}
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		if conn, err := net.Dial("tcp", s.address()); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatal("the server does not listen")
}

func tailText(text string, n int) string { return text[max(len(text)-n, 0):] }

func freeLocalPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (s *liveServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *liveServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// name returns the server's name in known_hosts.
func (s *liveServer) name() string { return fmt.Sprintf("[127.0.0.1]:%d", s.port) }

// line returns a line of known_hosts with a key of the server.
func (s *liveServer) line(names, kind string) string { return names + " " + keyText(s.keys[kind]) }

// setting is an option of ssh_config(5).
type setting struct{ keyword, value string }

// options returns ours for the settings.
func (s *liveServer) options(t *testing.T, file string, settings []setting) *config.Options {
	t.Helper()
	defaults := sshtest.Defaults(t)
	o := &config.Options{
		HostKeyAlgorithms: defaults.HostKeyAlgorithms, CASignatureAlgorithms: defaults.CASignatureAlgorithms,
		Alias: "live", HostName: "127.0.0.1", Port: s.port, User: s.user, UserKnownHostsFile: []string{file},
		StrictHostKeyChecking: config.StrictYes, UpdateHostKeys: config.UpdateNo, RequiredRSASize: 1024,
	}
	for _, set := range settings {
		switch set.keyword {
		case "StrictHostKeyChecking":
			o.StrictHostKeyChecking = map[string]config.StrictHostKeyChecking{
				"yes": config.StrictYes, "no": config.StrictNo, "accept-new": config.StrictAcceptNew, "ask": config.StrictAsk}[set.value]
		case "HostKeyAlias":
			o.HostKeyAlias = set.value
		case "HostKeyAlgorithms":
			o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = strings.Split(set.value, ","), true
		case "RequiredRSASize":
			o.RequiredRSASize, _ = strconv.Atoi(set.value)
		case "RevokedHostKeys":
			o.RevokedHostKeys = []string{set.value}
		case "CASignatureAlgorithms":
			o.CASignatureAlgorithms = strings.Split(set.value, ",")
		case "GlobalKnownHostsFile":
			o.GlobalKnownHostsFile = hostFiles(set.value)
		case "UserKnownHostsFile":
			o.UserKnownHostsFile = hostFiles(set.value)
		case "KnownHostsCommand":
			o.KnownHostsCommand = strings.ReplaceAll(set.value, "%h", "127.0.0.1") // as the configuration hands it over
		case "UpdateHostKeys":
			o.UpdateHostKeys = config.UpdateYes
		default:
			t.Fatalf("no option for %s", set.keyword)
		}
	}
	return o
}

// hostFiles reads a list of files as config does.
func hostFiles(list string) []string {
	if list == "none" {
		return nil
	}
	return strings.Fields(list)
}

// byUs reports whether we accept the server's key, and why not.
func (s *liveServer) byUs(t *testing.T, file string, settings ...setting) (bool, error) {
	t.Helper()
	h, err := Read(t.Context(), s.options(t, file, settings), nil, nil, testLog(t))
	if err != nil {
		return false, err
	}
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	verdict := errors.New("no key exchange")
	client := &ssh.ClientConfig{User: s.user, HostKeyAlgorithms: h.Algorithms(),
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error {
			verdict = h.Check(t.Context(), remote, key)
			return verdict
		}}
	if _, _, _, err := ssh.NewClientConn(conn, s.address(), client); err == nil {
		t.Fatal("logged in without a key")
	} else if verdict != nil && fault.PhaseOf(verdict) == "" {
		t.Fatal(err)
	}
	return verdict == nil, verdict
}

// bySSH reports whether ssh does.
func (s *liveServer) bySSH(t *testing.T, file string, settings ...setting) (bool, string) {
	t.Helper()
	output, _ := runProgram(t, "ssh", s.words(file, settings, "-o", "PreferredAuthentications=none", "127.0.0.1", "true")...)
	accepted := strings.Contains(output, "Permission denied")
	if !accepted && !strings.Contains(output, "Host key verification failed") && !strings.Contains(output, "Bad server host key") &&
		!strings.Contains(output, "KnownHostsCommand failed") && !strings.Contains(output, "no matching host key type") {
		t.Fatalf("ssh says neither yes nor no: %s", output)
	}
	return accepted, output
}

func (s *liveServer) words(file string, settings []setting, more ...string) []string {
	words := []string{"-F", "none", "-p", strconv.Itoa(s.port), "-l", s.user, "-i", s.path("ed25519_login")}
	for _, set := range settings {
		words = append(words, "-o", set.keyword+"="+set.value)
	}
	for _, set := range []string{"BatchMode=yes", "IdentitiesOnly=yes", "UserKnownHostsFile=" + file, "GlobalKnownHostsFile=/dev/null",
		"StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ControlPath=none", "LogLevel=VERBOSE"} {
		words = append(words, "-o", set)
	}
	return append(words, more...)
}

// compare lets both judge, each with a file of its own, and compares what they wrote into it.
func (s *liveServer) compare(t *testing.T, lines []string, settings ...setting) (accepted bool) {
	t.Helper()
	oursFile, theirsFile := writeLines(t, lines...), writeLines(t, lines...)
	ours, err := s.byUs(t, oursFile, settings...)
	theirs, output := s.bySSH(t, theirsFile, settings...)
	if ours != theirs {
		t.Errorf("ours %v (%v), ssh's %v with\n%s\nssh says: %s", ours, err, theirs, strings.Join(lines, "\n"), output)
	}
	if ours, theirs := readFile(t, oursFile), readFile(t, theirsFile); ours != theirs {
		t.Errorf("we left\n%s\nssh left\n%s", ours, theirs)
	}
	return ours
}

// certify makes a new host certificate, which holds from the next connection, because sshd starts anew for each.
func (s *liveServer) certify(t *testing.T, options ...string) {
	t.Helper()
	words := append([]string{"-q", "-s", s.path("ecdsa_ca"), "-h", "-I", "live host", "-z", "9"}, options...)
	mustRun(t, "ssh-keygen", append(words, s.path("ed25519.pub"))...)
}
