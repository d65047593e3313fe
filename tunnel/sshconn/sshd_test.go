package sshconn

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/config/procgroup"
	"github.com/tunneld/tunneld/tunnel/auth"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

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
		procgroup.Lead(cmd)
		cmd.WaitDelay = time.Second
		err = cmd.Start()
		file.Close()
		if err != nil {
			fmt.Fprintln(p, err)
			return
		}
		p.endBy(func() { procgroup.Kill(cmd) })
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
	defaults := sshtest.Defaults(t)
	return &config.Options{
		Alias: "peer", Matched: true, HostName: "127.0.0.1", Port: port, User: userName(t),
		AddressFamily: config.AnyFamily, ConnectTimeout: 20 * time.Second, ConnectionAttempts: 1, IPQoS: -1,
		StrictHostKeyChecking: config.StrictYes, UserKnownHostsFile: []string{known},
		IdentityFile:         []config.IdentityFile{{Path: identity, Explicit: true}},
		PubkeyAuthentication: true, NumberOfPasswordPrompts: 3, BatchMode: true,
		ServerAliveInterval: 15 * time.Second, ServerAliveCountMax: 3, RequiredRSASize: 1024,
		HostKeyAlgorithms: defaults.HostKeyAlgorithms, CASignatureAlgorithms: defaults.CASignatureAlgorithms,
		PubkeyAcceptedAlgorithms: defaults.PubkeyAcceptedAlgorithms, PreferredAuthentications: defaults.PreferredAuthentications,
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

// peerDialer returns a Dialer whose log and steps go to the test's log.
func peerDialer(t testing.TB) *Dialer {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return &Dialer{
		Credentials: auth.NewCredentials(nil, log),
		Log:         log,
		Trace: func(s Step) {
			t.Logf("%-15s %s %v %s %v", s.Name, s.Host, s.Took.Round(time.Microsecond), s.Detail, s.Err)
		},
	}
}

// serveLink does what a session does with the requests and channels of l, and closes it with the test.
func serveLink(t testing.TB, l *Conn) {
	t.Helper()
	go ssh.DiscardRequests(l.Reqs)
	go rejectChannels(l.Chans)
	t.Cleanup(func() { l.Close() })
}

// echoThrough sends a word through l to an echo server and wants it back.
func echoThrough(t testing.TB, l *Conn) {
	t.Helper()
	echo := startPeer(t, func(conn net.Conn) {
		io.Copy(conn, conn)
		conn.Close()
	})
	channel, requests, err := l.Conn.OpenChannel("direct-tcpip",
		MarshalTCPOpen("127.0.0.1", uint32(echo.port()), "127.0.0.1", 1))
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
