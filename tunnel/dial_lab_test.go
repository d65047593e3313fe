package tunnel

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// stranger is a TCP listener on loopback that hands each connection to serve.
type stranger struct {
	listener net.Listener
	serve    func(net.Conn)
	wg       sync.WaitGroup

	mu   sync.Mutex // guards all following
	ends []func()   // end the connections there were
	said bytes.Buffer
}

// startPeer listens until the test ends. serve may return before the connection's end; it is closed with the test.
func startPeer(t testing.TB, serve func(net.Conn)) *stranger {
	t.Helper()
	p := &stranger{serve: serve}
	p.start(t)
	return p
}

func (p *stranger) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.wg.Wait()
		if t.Failed() {
			t.Logf("the server said:\n%s", p.words())
		}
	})
}

func (p *stranger) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.endBy(func() {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		})
		p.wg.Go(func() { p.serve(conn) })
	}
}

func (p *stranger) endBy(end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = append(p.ends, end)
}

// cut ends every connection there is, without a word.
func (p *stranger) cut() {
	p.mu.Lock()
	ends := p.ends
	p.ends = nil
	p.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

func (p *stranger) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Write takes what a server says on its standard error.
func (p *stranger) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Write(b)
}

func (p *stranger) words() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

// peerKeys is a key pair in files of a temporary directory.
type peerKeys struct {
	dir    string
	file   string // private key in OpenSSH's format
	public ssh.PublicKey
}

func newPeerKeys(t testing.TB) *peerKeys {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	k := &peerKeys{dir: t.TempDir()}
	k.file = filepath.Join(k.dir, "key")
	if k.public, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	peerWrite(t, k.file, pem.EncodeToMemory(block))
	peerWrite(t, k.file+".pub", ssh.MarshalAuthorizedKey(k.public))
	return k
}

func (k *peerKeys) signer(t testing.TB) ssh.Signer {
	t.Helper()
	text, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func peerWrite(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func peerTool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
			if path := filepath.Join(dir, name); filepath.IsAbs(path) {
				if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
					return path
				}
			}
		}
	}
	t.Skipf("%v is not installed", names)
	return ""
}

// inetd serves each connection by a process of its own, as inetd does, so that the server needs no port of its own.
func inetd(t testing.TB, argv ...string) *stranger {
	t.Helper()
	p := &stranger{}
	p.serve = func(conn net.Conn) {
		file, err := conn.(*net.TCPConn).File()
		conn.Close() // the process has it
		if err != nil {
			return
		}
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = file, file, p
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.WaitDelay = time.Second
		err = cmd.Start()
		file.Close()
		if err != nil {
			fmt.Fprintln(p, err)
			return
		}
		p.endBy(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		cmd.Wait()
	}
	p.start(t)
	return p
}

// sshd is OpenSSH's server with a key that it knows and a key that knows it.
type sshd struct {
	*stranger
	host, client *peerKeys
}

func startSSHD(t testing.TB, settings ...string) *sshd {
	t.Helper()
	path := peerTool(t, "sshd")
	s := &sshd{host: newPeerKeys(t), client: newPeerKeys(t)}
	conf := fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s.pub\nStrictModes no\nUsePAM no\nPidFile none\n%s\n",
		s.host.file, s.client.file, strings.Join(settings, "\n"))
	file := filepath.Join(s.host.dir, "sshd_config")
	peerWrite(t, file, []byte(conf))
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // privilege separation wants it
	}
	s.stranger = inetd(t, path, "-i", "-e", "-f", file)
	return s
}

// options are for a person who has everything right.
func (s *sshd) options(t testing.TB) *config.Options {
	return peerOptions(t, s.port(), s.host.public, s.client.file)
}

func peerOptions(t testing.TB, port int, host ssh.PublicKey, identity string) *config.Options {
	t.Helper()
	known := filepath.Join(t.TempDir(), "known_hosts")
	peerWrite(t, known, fmt.Appendf(nil, "[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(host)))
	return &config.Options{
		Alias: "peer", Matched: true, HostName: "127.0.0.1", Port: port, User: userName(t),
		AddressFamily: config.AnyFamily, ConnectTimeout: 20 * time.Second, ConnectionAttempts: 1, IPQoSInteractive: -1,
		StrictHostKeyChecking: config.StrictYes, UserKnownHostsFile: []string{known},
		IdentityFile: []config.IdentityFile{{Path: identity, Explicit: true}}, IdentityAgent: "none",
		PubkeyAuthentication: true, NumberOfPasswordPrompts: 3, BatchMode: true,
		ServerAliveInterval: 15 * time.Second, ServerAliveCountMax: 3, RequiredRSASize: 1024,
	}
}

func userName(t testing.TB) string {
	t.Helper()
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return who.Username
}

// peerDialer gives a Dialer whose log and steps go to the test's log.
func peerDialer(t testing.TB) *Dialer {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &Dialer{
		Credentials: NewCredentials(nil, log),
		Log:         log,
		Trace: func(s Step) {
			t.Logf("%-15s %s %v %s %v", s.Name, s.Host, s.Took.Round(time.Microsecond), s.Detail, s.Err)
		},
	}
}

// serveLink does what a session does with the requests and channels of l, and closes it with the test.
func serveLink(t testing.TB, l *link) {
	t.Helper()
	go ssh.DiscardRequests(l.reqs)
	go rejectChannels(l.chans)
	t.Cleanup(func() { l.close() })
}

// echoThrough sends a word through l to an echo server and wants it back.
func echoThrough(t testing.TB, l *link) {
	t.Helper()
	echo := startPeer(t, func(conn net.Conn) {
		io.Copy(conn, conn)
		conn.Close()
	})
	channel, requests, err := l.conn.OpenChannel("direct-tcpip",
		ssh.Marshal(jumpOpen{"127.0.0.1", uint32(echo.port()), "127.0.0.1", 1}))
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	const word = "through and back"
	io.WriteString(channel, word)
	channel.CloseWrite()
	if got, err := io.ReadAll(channel); string(got) != word || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	channel.Close()
}

// wantNoLeak fails the test if it leaves goroutines. Call it first.
func wantNoLeak(t testing.TB) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// valve is a relay's: while it is shut, connections stay open and nothing passes.
type valve struct {
	mu     sync.Mutex
	moved  sync.Cond
	closed bool // guarded by mu
}

func newValve() *valve {
	v := &valve{}
	v.moved.L = &v.mu
	return v
}

func (v *valve) shut() { v.set(true) }
func (v *valve) open() { v.set(false) }

func (v *valve) set(closed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = closed
	v.moved.Broadcast()
}

// join connects c to a port of loopback until either side ends.
func (v *valve) join(c net.Conn, port int) {
	far, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		c.Close()
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, far}, {far, c}} {
		both.Go(func() {
			defer c.Close()
			defer far.Close()
			buf := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buf)
				v.wait()
				if _, werr := way[1].Write(buf[:n]); err != nil || werr != nil {
					return
				}
			}
		})
	}
	both.Wait()
}

func (v *valve) wait() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.closed {
		v.moved.Wait()
	}
}
