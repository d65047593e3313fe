package auth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// authTool finds a program, or skips the test.
func authTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path = "/usr/sbin/" + name; exec.Command("test", "-x", path).Run() != nil {
			t.Skipf("needs %s: not installed; as root, make tools installs it", name)
		}
	}
	return path
}

// noLeaks fails the test when it leaves goroutines behind.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// authServer is an OpenSSH sshd of one test.
type authServer struct {
	dir     string
	address string
	user    string
	log     *lockedBuffer
}

// startAuthServer runs sshd in a directory of its own; settings are lines of sshd_config that come first.
func startAuthServer(t *testing.T, settings ...string) *authServer {
	t.Helper()
	sshd := authTool(t, "sshd")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755)
	}
	s := &authServer{dir: t.TempDir(), user: me.Username, log: &lockedBuffer{}}
	authKeygen(t, filepath.Join(s.dir, "host"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	_, port, _ := net.SplitHostPort(s.address)
	listener.Close()
	lines := append(settings,
		"ListenAddress 127.0.0.1:"+port,
		"HostKey "+filepath.Join(s.dir, "host"),
		"AuthorizedKeysFile "+s.authorizedKeys(),
		"PidFile none",
		"UsePAM no",
		"StrictModes no",
		"PermitRootLogin yes",
		"PasswordAuthentication no",
		"KbdInteractiveAuthentication no",
		"MaxAuthTries 100",
		"KexAlgorithms -sntrup761*", // which takes the two a seventh of a second of a core
		"LogLevel DEBUG3")
	file := filepath.Join(s.dir, "sshd_config")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.authorize(t)
	command := exec.Command(sshd, "-D", "-e", "-f", file)
	command.Stderr = s.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			lines := slices.DeleteFunc(strings.SplitAfter(s.log.String(), "\n"), func(line string) bool {
				return strings.HasPrefix(line, "debug")
			})
			t.Logf("sshd's log without debug lines:\n%s", strings.Join(lines, ""))
		}
	})
	sshtest.Eventually(t, "sshd listens", func() bool {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return s
}

func (s *authServer) authorizedKeys() string { return filepath.Join(s.dir, "authorized_keys") }

// authorize makes the public keys of these private key files the only ones that may log in.
func (s *authServer) authorize(t *testing.T, files ...string) {
	t.Helper()
	var text []byte
	for _, file := range files {
		public, err := readPublicHalf(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, ssh.MarshalAuthorizedKey(public)...)
	}
	if err := os.WriteFile(s.authorizedKeys(), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// options are a host entry that leads to the server.
func (s *authServer) options(t sshtest.T, files ...string) *config.Options {
	t.Helper()
	return authOptions(t, s.user, s.address, files...)
}

func authOptions(t sshtest.T, login, address string, files ...string) *config.Options {
	t.Helper()
	defaults := sshtest.Defaults(t)
	host, portText, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(portText)
	o := &config.Options{
		Alias: "lab", HostName: host, Port: port, User: login,
		PubkeyAcceptedAlgorithms:     defaults.PubkeyAcceptedAlgorithms,
		PreferredAuthentications:     defaults.PreferredAuthentications,
		PubkeyAuthentication:         true,
		PasswordAuthentication:       true,
		KbdInteractiveAuthentication: true,
		NumberOfPasswordPrompts:      3,
		RequiredRSASize:              1024,
	}
	for _, file := range files {
		o.IdentityFile = append(o.IdentityFile, config.IdentityFile{Path: file, Explicit: true})
	}
	return o
}

// login makes one attempt and returns what it left behind; the connection, if any, is closed.
func login(t *testing.T, c *Credentials, o *config.Options) (*Attempt, error) {
	t.Helper()
	return loginThrough(t, c, o, func(conn net.Conn) net.Conn { return conn })
}

func loginThrough(t *testing.T, c *Credentials, o *config.Options, wrap func(net.Conn) net.Conn) (*Attempt, error) {
	t.Helper()
	return loginBy(t, c, o, wrap, nil)
}

// loginChanged is login with an attempt that change has changed; nil: as it is.
func loginChanged(t *testing.T, c *Credentials, o *config.Options, change func(*Attempt, *config.Options)) (*Attempt, error) {
	t.Helper()
	return loginBy(t, c, o, func(conn net.Conn) net.Conn { return conn }, change)
}

func loginBy(t *testing.T, c *Credentials, o *config.Options, wrap func(net.Conn) net.Conn, change func(*Attempt, *config.Options)) (*Attempt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	raw, err := net.Dial("tcp", o.Address())
	if err != nil {
		t.Fatal(err)
	}
	watched := &watchedConn{Conn: wrap(raw)}
	a, err := c.Begin(ctx, o, c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Dead, a.Known, a.Destination = watched.isDead, func() bool { return true }, true
	if change != nil {
		change(a, o)
	}
	cfg := &ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	a.Configure(cfg)
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	conn, channels, requests, err := ssh.NewClientConn(watched, o.Address(), cfg)
	if err != nil {
		return a, a.Failure(err)
	}
	go ssh.DiscardRequests(requests)
	go func() {
		for channel := range channels {
			channel.Reject(ssh.Prohibited, "no")
		}
	}()
	conn.Close()
	conn.Wait()
	return a, nil
}

// watchedConn knows when its connection is gone, as the dialer's wire does.
type watchedConn struct {
	net.Conn
	mu   sync.Mutex
	gone bool
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.mu.Lock()
		c.gone = true
		c.mu.Unlock()
	}
	return n, err
}

func (c *watchedConn) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// authKeygen makes a key pair with ssh-keygen; ed25519 without a passphrase unless arguments say otherwise.
func authKeygen(t *testing.T, path string, arguments ...string) string {
	t.Helper()
	defaults := []string{"-q", "-t", "ed25519", "-a", "1", "-N", "", "-C", filepath.Base(path), "-f", path}
	run(t, "", authTool(t, "ssh-keygen"), append(defaults, arguments...)...)
	return path
}

// authSign makes path-cert.pub, signed by the key file ca.
func authSign(t *testing.T, ca, path string, arguments ...string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	arguments = append([]string{"-q", "-s", ca, "-I", "lab", "-n", me.Username}, arguments...)
	run(t, "", authTool(t, "ssh-keygen"), append(arguments, path+".pub")...)
}

// run runs a program to its end, with environment added to a small one, and returns its output.
func run(t *testing.T, environment, program string, arguments ...string) string {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), environment}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, arguments, err, output)
	}
	return string(output)
}

// authAgent is an ssh-agent of one test.
type authAgent struct {
	socket string
	stop   func()
}

// startAuthAgent runs ssh-agent on socket; empty: one of its own.
func startAuthAgent(t *testing.T, socket string) *authAgent {
	t.Helper()
	program := authTool(t, "ssh-agent")
	if socket == "" {
		directory, err := os.MkdirTemp("", "agent") // t.TempDir's names can be too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(directory) })
		socket = filepath.Join(directory, "s")
	}
	command := exec.Command(program, "-D", "-a", socket)
	command.Stdout, command.Stderr = io.Discard, io.Discard
	command.Env = []string{"PATH=" + os.Getenv("PATH")} // no DISPLAY, no SSH_ASKPASS: nobody confirms
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		command.Process.Kill()
		command.Wait()
		os.Remove(socket)
	})
	t.Cleanup(stop)
	sshtest.Eventually(t, "ssh-agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return &authAgent{socket: socket, stop: stop}
}

// add loads key files, in this order.
func (g *authAgent) add(t *testing.T, arguments ...string) {
	t.Helper()
	run(t, "SSH_AUTH_SOCK="+g.socket, authTool(t, "ssh-add"), append([]string{"-q"}, arguments...)...)
}

// fakePerson answers questions from a list and keeps what it was asked.
type fakePerson struct {
	mu      sync.Mutex
	answers []string
	prompts []string
}

func (p *fakePerson) Secret(ctx context.Context, prompt string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prompts = append(p.prompts, prompt)
	if len(p.answers) == 0 {
		return "", ErrNobody
	}
	answer := p.answers[0]
	p.answers = p.answers[1:]
	return answer, nil
}

func (p *fakePerson) Confirm(context.Context, string, string) (bool, error) { return false, ErrNobody }

func (p *fakePerson) asked() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.prompts, "|")
}

// credentials is a memory whose log goes to the returned buffer.
func credentials(ask Asker) (*Credentials, *lockedBuffer) {
	text := &lockedBuffer{}
	return NewCredentials(ask, slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}))), text
}

// wantAuthError checks class and wording of an error of an attempt.
func wantAuthError(t *testing.T, err error, permanent bool, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("logged in, want an error")
	}
	if fault.PhaseOf(err) != fault.PhaseAuth || fault.IsPermanent(err) != permanent {
		t.Errorf("phase %q permanent %v, want authentication and %v: %v", fault.PhaseOf(err), fault.IsPermanent(err), permanent, err)
	}
	text := fmt.Sprintf("%v\nhint: %s", err, fault.HintOf(err))
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is missing in: %s", word, text)
		}
	}
}
