package sshconn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestDialOpenSSH(t *testing.T) {
	wantNoLeak(t)
	server := startSSHD(t, "LogLevel DEBUG")
	d := peerDialer(t)
	var steps []string
	kex := ""
	d.Trace = func(s Step) {
		steps = append(steps, s.Name)
		if s.Name == "key exchange" {
			kex = s.Detail
		}
	}
	o := server.options(t)
	o.VersionAddendum = "of mine"
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	if got := strings.Join(steps, ", "); got != "dns, tcp, key exchange, host key, authentication" {
		t.Errorf("steps: %s", got)
	}
	want := Server{
		User: o.User, Host: "127.0.0.1", Port: server.port(), Address: server.listener.Addr().String(),
		Fingerprint: ssh.FingerprintSHA256(server.host.public), HostKey: "ssh-ed25519",
	}
	got := l.Info
	if got.User != want.User || got.Host != want.Host || got.Port != want.Port || got.Address != want.Address ||
		got.Fingerprint != want.Fingerprint || got.HostKey != want.HostKey {
		t.Errorf("server %+v, want %+v", got, want)
	}
	if !strings.HasPrefix(got.Version.String(), "SSH-2.0-OpenSSH") || got.Kex == "" || got.Cipher == "" {
		t.Errorf("server %+v", got)
	}
	echoThrough(t, l)
	if !strings.HasPrefix(kex, got.Kex+", ") || !strings.Contains(kex, "post-quantum") {
		t.Errorf("the step says %q, agreed upon was %s", kex, got.Kex)
	}
	sshtest.Eventually(t, "sshd logs who we say that we are", func() bool { return strings.Contains(server.words(), "remote software version tunneld of mine") })
	if in, out := l.Wire.Counts(); in < 1000 || out < 1000 {
		t.Errorf("counted %d bytes in and %d out", in, out)
	}
}

func TestDialWithEachAlgorithm(t *testing.T) {
	server := startSSHD(t, "Ciphers +aes128-cbc,3des-cbc", "MACs +hmac-sha1-96", "KexAlgorithms +diffie-hellman-group14-sha1")
	for _, c := range []config.Options{
		{Ciphers: []string{"chacha20-poly1305@openssh.com"}},
		{Ciphers: []string{"aes256-gcm@openssh.com"}},
		{Ciphers: []string{"aes256-ctr"}, MACs: []string{"hmac-sha1-96"}},
		{Ciphers: []string{"aes128-cbc"}, MACs: []string{"umac-64@openssh.com", "hmac-sha2-512-etm@openssh.com"}},
		{KexAlgorithms: []string{"sntrup761x25519-sha512@openssh.com", "ecdh-sha2-nistp384"}},
		{KexAlgorithms: []string{"diffie-hellman-group14-sha1"}},
		{KexAlgorithms: []string{"diffie-hellman-group16-sha512"}},
		{KexAlgorithms: []string{"diffie-hellman-group-exchange-sha256"}},
	} {
		o := server.options(t)
		o.Ciphers, o.MACs, o.KexAlgorithms = c.Ciphers, c.MACs, c.KexAlgorithms
		l, err := peerDialer(t).Dial(t.Context(), o)
		if err != nil {
			t.Errorf("%v %v %v: %v", c.Ciphers, c.MACs, c.KexAlgorithms, err)
			continue
		}
		serveLink(t, l)
		last := func(list []string, or string) string {
			if len(list) == 0 {
				return or
			}
			return list[len(list)-1]
		}
		if l.Info.Cipher != last(c.Ciphers, l.Info.Cipher) || l.Info.MAC != last(c.MACs, l.Info.MAC) || l.Info.Kex != last(c.KexAlgorithms, l.Info.Kex) {
			t.Errorf("asked for %v %v %v, got %+v", c.Ciphers, c.MACs, c.KexAlgorithms, l.Info)
		}
		l.Close()
	}
}

// RekeyLimit never makes us begin a key exchange, it makes the keys stale. One that the server begins makes them fresh.
func TestDialRekeys(t *testing.T) {
	for _, c := range []struct {
		server string // of sshd_config(5)
		stale  bool
	}{{"RekeyLimit 1G", true}, {"RekeyLimit 128K", false}} {
		server := startSSHD(t, c.server)
		o := server.options(t)
		o.RekeyLimit = 512 << 10
		l, err := peerDialer(t).Dial(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go ssh.DiscardRequests(l.Reqs)
		first := l.keys.since
		echo := startPeer(t, func(conn net.Conn) {
			io.Copy(conn, conn)
			conn.Close()
		})
		channel, requests, err := l.Conn.OpenChannel("direct-tcpip", MarshalTCPOpen("127.0.0.1", uint32(echo.port()), "127.0.0.1", 1))
		if err != nil {
			t.Fatal(err)
		}
		go ssh.DiscardRequests(requests)
		go func() {
			channel.Write(make([]byte, 2<<20))
			channel.CloseWrite()
		}()
		if n, err := io.Copy(io.Discard, channel); n != 2<<20 || err != nil {
			t.Errorf("%d bytes came back, %v", n, err)
		}
		l.keys.mu.Lock()
		renewed := l.keys.since != first
		l.keys.mu.Unlock()
		if why := l.StaleKeys(); (why != "") != c.stale || renewed == c.stale {
			t.Errorf("server with %s: keys were renewed %t, stale %q", c.server, renewed, why)
		}
	}
}

func TestDialRefusedByPeer(t *testing.T) {
	cases := []struct {
		name  string
		serve func(net.Conn) // nil: nothing listens
		phase fault.Phase
		text  string // in the error
		hint  string // in the hint
		quick bool   // only the deadline ends it
	}{
		{"nothing listens", nil, fault.PhaseDial, "connection refused", "check Port", false},
		{"hangs up", func(c net.Conn) {
			c.Read(make([]byte, 1000))
			c.Close()
		}, fault.PhaseHandshake, "the server closed the connection", "MaxStartups", false},
		{"hangs up after its version", func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
			c.Read(make([]byte, 1000))
			c.(*net.TCPConn).CloseWrite()
		}, fault.PhaseHandshake, "the server closed the connection", "MaxStartups", false},
		{"resets", func(c net.Conn) {
			c.Read(make([]byte, 1000))
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, fault.PhaseHandshake, "key exchange: connection reset by peer", "MaxStartups", false},
		{"too many", func(c net.Conn) {
			c.Read(make([]byte, 1000))
			io.WriteString(c, "Exceeded MaxStartups\r\n")
			c.Close()
		}, fault.PhaseHandshake, `it said "Exceeded MaxStartups"`, "PerSourcePenalties", false},
		{"a web server", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 400 Bad \x1b[31mRequest\r\n\r\n")
			io.Copy(io.Discard, c)
		}, fault.PhaseHandshake, `not an SSH server: it said "HTTP/1.1 400 Bad \x1b[31mRequest"`, "check HostName and Port", true},
		{"a mail server that hangs up", func(c net.Conn) {
			io.WriteString(c, "220 mail ESMTP\r\n")
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		}, fault.PhaseHandshake, `not an SSH server: it said "220 mail ESMTP"`, "check HostName and Port", false},
		{"mute", func(c net.Conn) { io.Copy(io.Discard, c) }, fault.PhaseHandshake, "key exchange: no answer within 700ms", "", true},
		{"mute after its version", func(c net.Conn) {
			io.WriteString(c, "hello\r\nSSH-2.0-mute\r\n")
			io.Copy(io.Discard, c)
		}, fault.PhaseHandshake, "key exchange: no answer within 700ms", "", true},
		{"noise after its version", func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-noise\r\n"+strings.Repeat("\xff", 5000))
			io.Copy(io.Discard, c)
		}, fault.PhaseHandshake, "key exchange: ssh: invalid packet length", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wantNoLeak(t)
			port := sshtest.FreePort(t)
			if c.serve != nil {
				port = startPeer(t, c.serve).port()
			}
			keys := newPeerKeys(t)
			o := peerOptions(t, port, keys.public, keys.file)
			if c.quick {
				o.ConnectTimeout = 700 * time.Millisecond
			}
			_, err := peerDialer(t).Dial(t.Context(), o)
			wantDialError(t, err, c.phase, false, c.text, c.hint)
		})
	}
}

func wantDialError(t *testing.T, err error, phase fault.Phase, permanent bool, text, hint string) {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T %v is not an *Error", err, err)
	}
	t.Logf("%v\nhint: %s", err, e.Hint)
	if e.Phase != phase || e.Permanent != permanent {
		t.Errorf("phase %q, permanent %v; want %q, %v", e.Phase, e.Permanent, phase, permanent)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("%q does not say %q", err, text)
	}
	if !strings.Contains(e.Hint, hint) || hint == "" && e.Hint != "" {
		t.Errorf("hint %q does not say %q", e.Hint, hint)
	}
}

func TestDialUnknownName(t *testing.T) {
	for _, c := range []struct {
		name    string
		matched bool
		err     error
		text    string
		hint    string
	}{
		{"typing error", false, &net.DNSError{Err: "no such host", Name: "peeer", IsNotFound: true}, "no such host", `no Host entry matches "peer"`},
		{"wrong HostName", true, &net.DNSError{Err: "no such host", Name: "peeer", IsNotFound: true}, "no such host", `check HostName of "peer"`},
		{"no DNS yet", true, &net.DNSError{Err: "server misbehaving", Name: "peeer", IsTemporary: true}, "server misbehaving", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			keys := newPeerKeys(t)
			o := peerOptions(t, 22, keys.public, keys.file)
			o.HostName, o.Matched = "peeer", c.matched
			d := peerDialer(t)
			d.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return nil, c.err }
			_, err := d.Dial(t.Context(), o)
			wantDialError(t, err, fault.PhaseDial, false, c.text, c.hint)
		})
	}
}

func TestDialLooksTheNameUpEachTime(t *testing.T) {
	server := startSSHD(t)
	o := server.options(t)
	o.HostName, o.HostKeyAlias = "moving.example", ""
	known := peerOptions(t, server.port(), server.host.public, "").UserKnownHostsFile[0]
	peerWrite(t, known, append([]byte("[moving.example]:* "), ssh.MarshalAuthorizedKey(server.host.public)...))
	o.UserKnownHostsFile = []string{known}
	d := peerDialer(t)
	answers := []string{"", "127.0.0.1"} // DNS comes late at boot
	d.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		answer := answers[0]
		answers = answers[1:]
		if answer == "" {
			return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr(answer)}, nil
	}
	if _, err := d.Dial(t.Context(), o); fault.PhaseOf(err) != fault.PhaseDial || fault.IsPermanent(err) {
		t.Fatal(err)
	}
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
}

func TestDialPassesADeadAddress(t *testing.T) {
	server := startSSHD(t)
	o := server.options(t)
	o.HostName = "two.example"
	d := dialerFor(t, o, server, netip.MustParseAddr("127.0.0.9"), netip.MustParseAddr("127.0.0.1"))
	l, err := d.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	if l.Info.Address != server.listener.Addr().String() {
		t.Errorf("connected to %s", l.Info.Address)
	}
}

// dialerFor returns a Dialer that finds these addresses for every name, and has o's known_hosts trust the server there.
func dialerFor(t *testing.T, o *config.Options, server *sshd, found ...netip.Addr) *Dialer {
	t.Helper()
	peerWrite(t, o.UserKnownHostsFile[0], append([]byte("["+o.HostName+"]:* "), ssh.MarshalAuthorizedKey(server.host.public)...))
	d := peerDialer(t)
	d.lookup = func(context.Context, string, string) ([]netip.Addr, error) { return found, nil }
	return d
}

func TestDialEndsWithItsContext(t *testing.T) {
	wantNoLeak(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := startPeer(t, func(c net.Conn) {
		c.Read(make([]byte, 100))
		cancel()
		io.Copy(io.Discard, c)
	})
	keys := newPeerKeys(t)
	_, err := peerDialer(t).Dial(ctx, peerOptions(t, p.port(), keys.public, keys.file))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDialWrongHostKey(t *testing.T) {
	server := startSSHD(t)
	o := server.options(t)
	peerWrite(t, o.UserKnownHostsFile[0], append([]byte("[127.0.0.1]:* "), ssh.MarshalAuthorizedKey(newPeerKeys(t).public)...))
	_, err := peerDialer(t).Dial(t.Context(), o)
	var e *fault.Error
	if !errors.As(err, &e) || e.Phase != fault.PhaseHostKey || !e.Permanent {
		t.Errorf("got %#v", err)
	}
}

func TestDialNoCommonAlgorithm(t *testing.T) {
	server := startSSHD(t, "KexAlgorithms ecdh-sha2-nistp256", "Ciphers aes256-ctr", "MACs hmac-sha2-256")
	for _, c := range []struct {
		name    string
		options config.Options
		both    []string
		keyword string
	}{
		{"key exchange", config.Options{KexAlgorithms: []string{"ecdh-sha2-nistp521"}}, []string{"ecdh-sha2-nistp521", "ecdh-sha2-nistp256"}, "KexAlgorithms"},
		{"cipher", config.Options{Ciphers: []string{"aes128-ctr"}}, []string{"aes128-ctr", "aes256-ctr"}, "Ciphers"},
		{"MAC", config.Options{MACs: []string{"hmac-sha2-512"}}, []string{"hmac-sha2-512", "hmac-sha2-256"}, "MACs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := server.options(t)
			o.KexAlgorithms, o.Ciphers, o.MACs = c.options.KexAlgorithms, c.options.Ciphers, c.options.MACs
			_, err := peerDialer(t).Dial(t.Context(), o)
			wantDialError(t, err, fault.PhaseHandshake, true, c.both[0], c.keyword)
			if !strings.Contains(err.Error(), c.both[1]) {
				t.Errorf("%q does not show what the server offers", err)
			}
		})
	}
}

func TestDialRefusedKey(t *testing.T) {
	server := startSSHD(t)
	o := server.options(t)
	o.IdentityFile[0].Path = newPeerKeys(t).file
	_, err := peerDialer(t).Dial(t.Context(), o)
	var e *fault.Error
	if !errors.As(err, &e) || e.Phase != fault.PhaseAuth || !e.Permanent || e.Hint == "" {
		t.Errorf("got %#v", err)
	}
}

// A server that dies while we log in is not a server that says no.
func TestDialLostDuringAuthentication(t *testing.T) {
	server := startSSHD(t)
	d := peerDialer(t)
	d.Trace = func(s Step) {
		if s.Name == "host key" {
			server.cut()
		}
	}
	_, err := d.Dial(t.Context(), server.options(t))
	var e *fault.Error
	if !errors.As(err, &e) || e.Permanent || e.Phase != fault.PhaseAuth && e.Phase != fault.PhaseHandshake {
		t.Errorf("got %#v", err)
	}
}

// -b with an address of another machine.
func TestDialFromAnAddressThatIsNotOurs(t *testing.T) {
	keys := newPeerKeys(t)
	o := peerOptions(t, sshtest.FreePort(t), keys.public, keys.file)
	o.BindAddress = "192.0.2.7"
	_, err := peerDialer(t).Dial(t.Context(), o)
	wantDialError(t, err, fault.PhaseDial, false, "cannot assign requested address", "no interface of this machine has the address 192.0.2.7")
}
