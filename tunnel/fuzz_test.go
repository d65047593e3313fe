package tunnel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// The targets that feed anything to the parts of this package that read what strangers say: clients of a proxy port, servers,
// and files that servers have a hand in. `make fuzz` runs them for long; an ordinary test run takes their seeds. What a run
// found stays in testdata/fuzz.

// speaksPlainly fails where a text that people read could do something to their terminal, or make a line of its own.
func speaksPlainly(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		isPlain(t, err.Error())
	}
}

func isPlain(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%q has %q in it", text, r)
		}
	}
}

// talker is a connection on which everything has been said already. It gives piece bytes at a time; 0: all.
type talker struct {
	said  []byte
	piece int
	read  int
	heard bytes.Buffer
}

func (c *talker) Read(p []byte) (int, error) {
	left := c.said[c.read:]
	if len(left) == 0 {
		return 0, io.EOF
	}
	if c.piece > 0 {
		p = p[:min(len(p), c.piece)]
	}
	n := copy(p, left)
	c.read += n
	return n, nil
}

func (c *talker) Write(p []byte) (int, error) { return c.heard.Write(p) }
func (c *talker) Close() error                { return nil }

// asked is what became of a proxy request.
type asked struct {
	target config.Endpoint // zero: none
	answer string
	err    error
}

// askProxy has a proxy read what was said. The target is refused, as far as it comes to that.
func askProxy(said []byte, piece int) (asked, *talker) {
	var a asked
	c := &talker{said: said, piece: piece}
	a.err = serveProxy(context.Background(), &proxyClient{ReadWriteCloser: c, addr: anyAddr(),
		connect: func(_ context.Context, target config.Endpoint) (*route, error) {
			a.target = target
			return nil, &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "Connection refused"}
		}})
	a.answer = c.heard.String()
	return a, c
}

// FuzzProxyRequest reads the first bytes of a client in each of the three protocols. It makes no difference in which pieces
// they come.
func FuzzProxyRequest(f *testing.F) {
	f.Add(socks5Request(1, "host.example", 80))
	f.Add(append(socks5Request(1, "host.example", 80), "early"...))
	f.Add(socks5Request(2, "h", 80))
	f.Add([]byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80})
	f.Add(append(append([]byte{5, 2, 0, 2, 5, 1, 0, 4}, net.IPv6loopback...), 0, 80))
	f.Add(socks4aRequest(1, "host.example", 80))
	f.Add([]byte{4, 1, 0, 80, 127, 0, 0, 1, 'u', 0, 'e'})
	f.Add([]byte{4, 1, 0, 80, 0, 0, 0, 7, 0, 0})
	f.Add(httpRequest("host.example", 80))
	f.Add([]byte("CONNECT [::1]:443 HTTP/1.0\r\n\r\nearly"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("CONNECT a\x1b[2J:1 HTTP/1.1\r\nHost: \xff\r\nX: y\r\n z\r\n\r\n"))
	f.Add([]byte("CONNECT h:99999 HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"))
	f.Add([]byte{5, 255})
	f.Add([]byte{0x16, 3, 1})
	f.Fuzz(func(t *testing.T, said []byte) {
		got, c := askProxy(said, 0)
		speaksPlainly(t, got.err)
		if got.err == nil {
			t.Fatal("a request was served though no target answers")
		}
		if c.read > maxHTTPHead+5 || len(got.answer) > 1024 {
			t.Fatalf("%d bytes were read, %d bytes answered", c.read, len(got.answer))
		}
		target := got.target
		if target != (config.Endpoint{}) && (target.Host == "" || target.Port < 1 || target.Port > 65535 || target.IsUnix()) {
			t.Fatalf("%q leads to %+v", said, target)
		}
		slowly, _ := askProxy(said, 1)
		if slowly.target != got.target || slowly.answer != got.answer {
			t.Fatalf("byte by byte %q leads to %+v and %q, else to %+v and %q", said, slowly.target, slowly.answer, got.target, got.answer)
		}
		if len(said) > 0 && (said[0] == 4 || said[0] == 5) && target != (config.Endpoint{}) {
			checkSOCKSTarget(t, said, target)
		}
	})
}

// checkSOCKSTarget finds the target of a request a second time, by the shape of the message alone.
func checkSOCKSTarget(t *testing.T, said []byte, target config.Endpoint) {
	t.Helper()
	if said[0] == 4 {
		if port := binary.BigEndian.Uint16(said[2:]); int(port) != target.Port {
			t.Errorf("% x leads to port %d", said, target.Port)
		}
		return
	}
	said = said[2+int(said[1]):] // the greeting
	var host string
	var port []byte
	switch said[3] {
	case 1:
		host, port = net.IP(said[4:8]).String(), said[8:]
	case 3:
		host, port = string(said[5:5+int(said[4])]), said[5+int(said[4]):]
	case 4:
		host, port = net.IP(said[4:20]).String(), said[20:]
	}
	if host != target.Host || int(binary.BigEndian.Uint16(port)) != target.Port {
		t.Errorf("% x leads to %+v", said, target)
	}
}

// FuzzHostKeysAnnounced reads the payload of hostkeys-00@openssh.com.
func FuzzHostKeysAnnounced(f *testing.F) {
	key := string(wireString(string(testKey(f, "ed25519 a").Marshal())))
	f.Add([]byte(key + string(wireString(string(testKey(f, "rsa a").Marshal())))))
	f.Add([]byte(key + key))
	f.Add([]byte(key + "\x00\x00\x00\x00"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte(strings.Repeat("\x00\x00\x00\x00", maxHostKeys+1)))
	f.Add(wireString(string(testCertificate(f, "ed25519 a", "ecdsa ca", nil).Marshal())))
	o := hostOptions(22, writeLines(f))
	f.Fuzz(func(t *testing.T, payload []byte) {
		keys, err := announcedKeys(payload)
		speaksPlainly(t, err)
		if err != nil {
			return
		}
		var again []byte
		for _, key := range keys {
			again = append(again, wireString(string(key))...)
		}
		if len(keys) > maxHostKeys || !bytes.Equal(again, payload) {
			t.Fatalf("%x was read as %d keys: %x", payload, len(keys), keys)
		}
		h := newTestHostKeys(t, o, nil)
		usable, err := h.usableKeys(keys)
		speaksPlainly(t, err)
		for i, key := range usable {
			if _, certified := key.(*ssh.Certificate); certified || slices.ContainsFunc(usable[:i], func(k ssh.PublicKey) bool { return sameKey(k, key) }) {
				t.Fatalf("%x gives %v", payload, usable)
			}
		}
	})
}

// proofConn is a connection whose session and host key algorithm are known.
type proofConn struct {
	ssh.Conn
	algorithm string
}

func (c proofConn) SessionID() []byte { return []byte("session") }
func (c proofConn) Algorithms() ssh.NegotiatedAlgorithms {
	return ssh.NegotiatedAlgorithms{HostKey: c.algorithm}
}

// FuzzProof reads the answer to hostkeys-prove-00@openssh.com: nothing but the key's own signature over this session is taken.
func FuzzProof(f *testing.F) {
	signers := []ssh.Signer{testSigner(f, "ed25519 a"), testSigner(f, "ecdsa a"), testSigner(f, "rsa a")}
	genuine := map[string][]byte{} // what is signed, by the blob of the signature's own bytes
	for i, signer := range signers {
		signed := ssh.Marshal(struct {
			Request string
			Session []byte
			Key     []byte
		}{proveRequest, []byte("session"), signer.PublicKey().Marshal()})
		signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(zeros{}, signed, ssh.KeyAlgoRSASHA512)
		if i < 2 {
			signature, err = signer.Sign(zeros{}, signed)
		}
		if err != nil {
			f.Fatal(err)
		}
		genuine[string(signature.Blob)] = signed
		f.Add(i, ssh.KeyAlgoED25519, ssh.Marshal(signature))
		f.Add(i, ssh.KeyAlgoRSASHA512, ssh.Marshal(signature))
	}
	f.Add(0, "", []byte{})
	f.Add(2, ssh.KeyAlgoRSASHA256, ssh.Marshal(&ssh.Signature{Format: ssh.KeyAlgoRSA, Blob: make([]byte, 256)}))
	f.Fuzz(func(t *testing.T, which int, algorithm string, blob []byte) {
		if which < 0 || which >= len(signers) {
			t.Skip()
		}
		key := signers[which].PublicKey()
		trusted, err := verifyProof(proofConn{algorithm: algorithm}, key, blob)
		speaksPlainly(t, err)
		if !trusted || err != nil || key.Type() == ssh.KeyAlgoECDSA256 { // an ECDSA signature has a twin
			return
		}
		var signature ssh.Signature
		if err := ssh.Unmarshal(blob, &signature); err != nil || genuine[string(signature.Blob)] == nil {
			t.Errorf("%x was taken for a proof of %s", blob, key.Type())
		}
	})
}

// zeros is a source of randomness that has none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// openedByServer is a channel that a server opens.
type openedByServer struct {
	ssh.NewChannel
	kind    string
	payload []byte
}

func (c openedByServer) ChannelType() string { return c.kind }
func (c openedByServer) ExtraData() []byte   { return c.payload }

// FuzzForwardedPayload reads what a server says about a connection to one of our listeners, and finds the listener.
func FuzzForwardedPayload(f *testing.F) {
	f.Add("forwarded-tcpip", ssh.Marshal(forwardedTCP{"localhost", 8080, "10.0.0.1", 4711}))
	f.Add("forwarded-tcpip", ssh.Marshal(forwardedTCP{"127.0.0.1", 8080, "\x1b[2J", 0}))
	f.Add("forwarded-tcpip", ssh.Marshal(forwardedTCP{"", 9090, "", 1 << 31}))
	f.Add("forwarded-tcpip", ssh.Marshal(forwardedTCP{"localhost", 0, "", 0}))
	f.Add("forwarded-streamlocal@openssh.com", ssh.Marshal(forwardedStreamLocal{"/run/a.sock", ""}))
	f.Add("forwarded-streamlocal@openssh.com", []byte{0, 0, 0, 9, 'x'})
	f.Add("forwarded-tcpip", []byte{0xff, 0xff, 0xff, 0xff})
	known := make(chan struct{})
	close(known)
	var session Session
	for _, l := range []*remoteListen{
		{host: "localhost", port: 8080}, {host: "", port: 8080}, {host: "", port: 9090}, {endpoint: config.Endpoint{Path: "/run/a.sock"}},
	} {
		l.known = known
		session.listens.add(l)
	}
	f.Fuzz(func(t *testing.T, kind string, payload []byte) {
		c := openedByServer{kind: kind, payload: payload}
		if name := listenerName(c); len(name) > len(payload) {
			t.Errorf("the name of a listener is longer than what the server said: %q", name)
		}
		found := session.listenerOf(t.Context(), c)
		if found == nil {
			return
		}
		if unix := kind == "forwarded-streamlocal@openssh.com"; unix != found.endpoint.IsUnix() {
			t.Fatalf("%s %x goes to %+v", kind, payload, found)
		}
		if found.endpoint.IsUnix() {
			return
		}
		var m forwardedTCP
		if err := ssh.Unmarshal(payload, &m); err != nil || m.Port != found.port {
			t.Fatalf("%x goes to port %d: %v", payload, found.port, err)
		}
		if m.Host != found.host && found.port == 8080 {
			t.Errorf("%x goes to %q:%d, of two that it may be", payload, found.host, found.port)
		}
	})
}

// FuzzChosenPort reads the answer to a request for a port of the server's choice.
func FuzzChosenPort(f *testing.F) {
	f.Add(ssh.Marshal(tcpipForwardReply{40000}))
	f.Add([]byte{})
	f.Add([]byte{0, 1, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, reply []byte) {
		port, err := chosenPort(reply)
		speaksPlainly(t, err)
		if err == nil && (port == 0 || port > 65535) {
			t.Errorf("%x is port %d", reply, port)
		}
	})
}

// FuzzRefusal turns the words with which a server refuses a channel into the answers of the proxies.
func FuzzRefusal(f *testing.F) {
	for _, text := range []string{"Connection refused", "Network is unreachable", "open failed", "\x1b]0;x\a", "a\r\nSet-Cookie: x\r\n\r\n<html>", "\xff"} {
		f.Add(uint32(ssh.ConnectionFailed), text)
		f.Add(uint32(ssh.Prohibited), text)
	}
	f.Fuzz(func(t *testing.T, reason uint32, text string) {
		err := &ssh.OpenChannelError{Reason: ssh.RejectionReason(reason), Message: text}
		if code := replyCode(err); code < socks5Failure || code > socks5TTLExpired {
			t.Errorf("SOCKS5 answers %d", code)
		}
		if status := httpStatus(err); status < 400 || status > 599 {
			t.Errorf("HTTP answers %d", status)
		}
	})
}

// FuzzProxyCommandWords reads what a ProxyCommand says on its standard error, in pieces of any size.
func FuzzProxyCommandWords(f *testing.F) {
	f.Add([]byte("ssh: connect to host x port 22: Connection refused\r\n"), 3)
	f.Add([]byte("no end"), 1)
	f.Add([]byte("\x1b[2J\n\n \nlevel=ERROR msg=\"forged\"\n"), 100)
	f.Add(bytes.Repeat([]byte("x"), 3*longestLine), 1000)
	f.Fuzz(func(t *testing.T, said []byte, piece int) {
		if piece < 1 {
			t.Skip()
		}
		var log bytes.Buffer
		l := &lineLogger{log: slog.New(slog.NewTextHandler(&log, nil))}
		for words := said; len(words) > 0; {
			n := min(piece, len(words))
			if wrote, err := l.Write(words[:n]); wrote != n || err != nil {
				t.Fatalf("%d of %d bytes taken, %v", wrote, n, err)
			}
			words = words[n:]
		}
		last := l.last()
		if len(last.String()) > longestLine*utf8.UTFMax || cap(l.begun) > 4*longestLine {
			t.Errorf("the last line has %d bytes, and %d are kept", len(last.String()), cap(l.begun))
		}
		for line := range strings.Lines(log.String()) {
			isPlain(t, strings.TrimSuffix(line, "\n"))
		}
		isPlain(t, (&proxyError{"exit status 1", last, errors.New("x")}).Error())
	})
}
