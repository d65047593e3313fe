package tunnel

import (
	"bytes"
	"errors"
	"log/slog"
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
	session := Session{log: quiet()}
	const chosen = 40000 // by the server, and one more
	for _, l := range []*remoteListen{
		{host: "localhost", port: 8080}, {host: "", port: 8080}, {host: "", port: 9090}, {endpoint: config.Endpoint{Path: "/run/a.sock"}},
		{host: "localhost", port: chosen}, {host: "", port: chosen + 1},
	} {
		if l.known = known; l.port < chosen {
			l.endpoint.Port = int(l.port)
		}
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
		if err := ssh.Unmarshal(payload, &m); err != nil || m.Port != found.port && (m.Port != 0 || found.port < chosen || m.Host != found.host) {
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
