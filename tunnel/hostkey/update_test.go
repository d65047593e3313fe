package hostkey

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// updateByUs logs in, waits for the server's list of keys, and learns from it.
func (s *liveServer) updateByUs(t *testing.T, o *config.Options) error {
	t.Helper()
	h := newTestHostKeys(t, o, nil)
	signer, err := ssh.ParsePrivateKey([]byte(readFile(t, s.path("ed25519_login"))))
	if err != nil {
		t.Fatal(err)
	}
	wire, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	conn, _, requests, err := ssh.NewClientConn(wire, s.address(), &ssh.ClientConfig{
		User: s.user, HostKeyAlgorithms: h.Algorithms(), Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback: func(_ string, remote net.Addr, key ssh.PublicKey) error { return h.Check(t.Context(), remote, key) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			t.Fatal("the server announces no keys")
		case request := <-requests:
			if request.Type != Announcement {
				request.Reply(false, nil)
				continue
			}
			keys, err := AnnouncedKeys(request.Payload)
			if err != nil {
				t.Fatal(err)
			}
			return h.Update(ctx, conn, requestOf(conn), keys)
		}
	}
}

// updateBySSH logs in with ssh and stays for a while, in which it can learn.
func (s *liveServer) updateBySSH(t *testing.T, file string, settings []setting, seconds string) (output string) {
	t.Helper()
	return mustRun(t, "ssh", s.words(file, settings, "127.0.0.1", "sleep "+seconds)...)
}

func TestUpdatesAgreeWithSSH(t *testing.T) {
	s := startLiveServer(t)
	name := s.name()
	stale := func(names string) string { return names + " " + keyText(testKey(t, "ed25519 stale")) }
	tests := map[string]struct {
		lines    []string
		second   []string // of a second user file
		settings []setting
		changes  bool
	}{
		"learns the others":         {[]string{"# mine", s.line(name, "ed25519") + " note", "other x"}, nil, nil, true},
		"forgets what is stale":     {[]string{stale(name), s.line(name, "ed25519"), s.line(name, "ecdsa"), s.line(name, "rsa")}, nil, nil, true},
		"learns and forgets":        {[]string{stale(name), "", "garbage", s.line(name, "ed25519")}, nil, nil, true},
		"nothing to learn":          {[]string{s.line(name, "ed25519"), s.line(name, "ecdsa"), s.line(name, "rsa")}, nil, nil, false},
		"stale under another name":  {[]string{stale(name), stale("other"), s.line(name, "ed25519")}, nil, nil, false},
		"key under another name":    {[]string{s.line(name, "ed25519"), s.line("other", "rsa")}, nil, nil, false},
		"pattern":                   {[]string{s.line("[127.*]:*", "ed25519")}, nil, nil, false},
		"two names":                 {[]string{s.line(name+",other", "ed25519")}, nil, nil, true},
		"three names":               {[]string{s.line(name+",other,third", "ed25519")}, nil, nil, false},
		"revoked line for the host": {[]string{s.line(name, "ed25519"), "@revoked " + stale(name)}, nil, nil, false},
		"authority for the host":    {[]string{s.line(name, "ed25519"), "@cert-authority " + stale("*")}, nil, nil, false},
		"known without port":        {[]string{s.line("127.0.0.1", "ed25519")}, nil, nil, false},
		"new host":                  {nil, nil, []setting{{"StrictHostKeyChecking", "accept-new"}}, true}, // by accept-new alone
		"known globally":            {nil, nil, []setting{{"GlobalKnownHostsFile", "FILE2"}}, false},
		"second file":               {nil, []string{"# second", s.line(name, "ed25519"), stale(name)}, []setting{{"UserKnownHostsFile", "FILE1 FILE2"}}, true},
		"alias":                     {[]string{s.line("alias", "ed25519")}, nil, []setting{{"HostKeyAlias", "Alias"}}, true},
		"limited algorithms":        {[]string{s.line(name, "ed25519")}, nil, []setting{{"HostKeyAlgorithms", "ssh-ed25519,rsa-sha2-256"}}, true},
		"by an RSA key":             {[]string{s.line(name, "rsa")}, nil, []setting{{"HostKeyAlgorithms", "rsa-sha2-256,ecdsa-sha2-nistp256"}}, true},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			second := test.second
			if title == "known globally" {
				second = []string{s.line(name, "ed25519")}
			}
			before := writeLines(t, test.lines...)
			// Both have files of their own; left is what they leave in them.
			update := func(learn func(file string, settings []setting)) (left string) {
				file1, file2 := writeLines(t, test.lines...), writeLines(t, second...)
				settings := []setting{{"UpdateHostKeys", "yes"}}
				for _, set := range test.settings {
					settings = append(settings, setting{set.keyword, strings.NewReplacer("FILE1", file1, "FILE2", file2).Replace(set.value)})
				}
				learn(file1, settings)
				return readFile(t, file1) + "second:\n" + readFile(t, file2)
			}
			ours := update(func(file string, settings []setting) {
				if err := s.updateByUs(t, s.options(t, file, settings)); err != nil {
					t.Error(err)
				}
			})
			var theirs, output string
			for _, seconds := range []string{"0.1", "1"} { // where a tenth of a second is too short
				theirs = update(func(file string, settings []setting) { output = s.updateBySSH(t, file, settings, seconds) })
				if ours == theirs {
					break
				}
			}
			if ours != theirs {
				t.Errorf("we left\n%s\nssh left\n%s\nand said %s", ours, theirs, output)
			}
			unchanged := ours == readFile(t, before)+"second:\n"+strings.Join(append(second, ""), "\n")
			if unchanged == test.changes {
				t.Errorf("changed: %v, files\n%s", !unchanged, ours)
			}
		})
	}
}

// ssh takes the host's lines out of the other files also where the first one, which would get them, is not there, and
// then does not know the host any more.
func TestUpdateLosesNoKey(t *testing.T) {
	s := startLiveServer(t)
	file := writeLines(t, s.line(s.name(), "ed25519"))
	o := s.options(t, filepath.Join(t.TempDir(), "missing"), []setting{{"UpdateHostKeys", "yes"}})
	o.UserKnownHostsFile = append(o.UserKnownHostsFile, file)
	before := readFile(t, file)
	if err := s.updateByUs(t, o); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, file); got != before {
		t.Errorf("left %q", got)
	}
}

func TestUpdateHashes(t *testing.T) {
	s := startLiveServer(t)
	file := writeLines(t, s.line(s.name(), "ed25519"))
	o := s.options(t, file, []setting{{"UpdateHostKeys", "yes"}})
	o.HashKnownHosts = true
	if err := s.updateByUs(t, o); err != nil {
		t.Fatal(err)
	}
	lines, _ := readKnownHosts(file)
	found := (&knownHostsFile{lines: lines}).lookup(s.name())
	if len(found) != 3 || strings.HasPrefix(found[0].hosts, "|") || !strings.HasPrefix(found[1].hosts, hashMagic) {
		t.Errorf("lines %q", lines)
	}
}

// A read-only directory must not harm the connection.
func TestUpdateWithoutWriting(t *testing.T) {
	s := startLiveServer(t)
	file := writeLines(t, s.line(s.name(), "ed25519"))
	if err := os.Mkdir(file+".old", 0o700); err != nil { // stands where the backup goes
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(file+".old", "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, file)
	if err := s.updateByUs(t, s.options(t, file, []setting{{"UpdateHostKeys", "yes"}})); err == nil {
		t.Error("no error")
	}
	if readFile(t, file) != before {
		t.Error("the file was changed")
	}
	if entries, _ := os.ReadDir(filepath.Dir(file)); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// requestOf asks conn and waits until ctx is done, as a session does.
func requestOf(conn ssh.Conn) Request {
	type result struct {
		ok     bool
		answer []byte
		err    error
	}
	return func(ctx context.Context, name string, payload []byte) (bool, []byte, error) {
		done := make(chan result, 1)
		go func() {
			ok, answer, err := conn.SendRequest(name, true, payload)
			done <- result{ok, answer, err}
		}()
		select {
		case r := <-done:
			return r.ok, r.answer, r.err
		case <-ctx.Done():
			return false, nil, ctx.Err()
		}
	}
}

// provingConn is a server that answers requests for proof.
type provingConn struct {
	ssh.Conn
	algorithm string
	answer    func(payload []byte) (bool, []byte, error)
	requests  int
}

func (c *provingConn) SessionID() []byte { return []byte("session") }

func (c *provingConn) Algorithms() ssh.NegotiatedAlgorithms {
	return ssh.NegotiatedAlgorithms{HostKey: c.algorithm}
}

func (c *provingConn) SendRequest(_ string, _ bool, payload []byte) (bool, []byte, error) {
	c.requests++
	return c.answer(payload)
}

// prove signs for the session with these keys, each with an algorithm of its own if it has one.
func proof(t *testing.T, algorithm string, names ...string) []byte {
	t.Helper()
	var answer []byte
	for _, name := range names {
		signer := testSigner(t, name)
		signed := string(wireString(proveRequest)) + string(wireString("session")) + string(wireString(string(signer.PublicKey().Marshal())))
		signature, err := signer.Sign(nil, []byte(signed))
		if algorithm != "" && signer.PublicKey().Type() == ssh.KeyAlgoRSA {
			signature, err = signer.(ssh.AlgorithmSigner).SignWithAlgorithm(nil, []byte(signed), algorithm)
		}
		if err != nil {
			t.Fatal(err)
		}
		answer = append(answer, wireString(string(ssh.Marshal(signature)))...)
	}
	return answer
}

func TestProofs(t *testing.T) {
	yes := func(answer []byte) func([]byte) (bool, []byte, error) {
		return func([]byte) (bool, []byte, error) { return true, answer, nil }
	}
	tests := map[string]struct {
		conn   *provingConn
		learnt []string
		fails  bool
	}{
		"both prove":            {&provingConn{answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "ecdsa a", "rsa a"))}, []string{"ecdsa a", "rsa a"}, false},
		"RSA as negotiated":     {&provingConn{algorithm: ssh.KeyAlgoRSA, answer: yes(proof(t, ssh.KeyAlgoRSA, "ecdsa a", "rsa a"))}, []string{"ecdsa a", "rsa a"}, false},
		"RSA not as negotiated": {&provingConn{algorithm: ssh.KeyAlgoRSASHA256, answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "ecdsa a", "rsa a"))}, nil, true},
		"RSA with SHA-1":        {&provingConn{algorithm: ssh.KeyAlgoED25519, answer: yes(proof(t, ssh.KeyAlgoRSA, "ecdsa a", "rsa a"))}, []string{"ecdsa a"}, false},
		"another key signs":     {&provingConn{answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "ecdsa b", "rsa a"))}, nil, true},
		"wrong order":           {&provingConn{answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "rsa a", "ecdsa a"))}, nil, true},
		"one is missing":        {&provingConn{answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "ecdsa a"))}, nil, true},
		"one too many":          {&provingConn{answer: yes(proof(t, ssh.KeyAlgoRSASHA512, "ecdsa a", "rsa a", "rsa a"))}, nil, true},
		"nothing":               {&provingConn{answer: yes(nil)}, nil, true},
		"refused":               {&provingConn{answer: func([]byte) (bool, []byte, error) { return false, nil, nil }}, nil, true},
		"connection lost":       {&provingConn{answer: func([]byte) (bool, []byte, error) { return false, nil, errors.New("lost") }}, nil, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := writeLines(t, hostLine(t, "host.example", "ed25519 a"))
			err := updateWith(t, file, t.Context(), test.conn, "ed25519 a", "ecdsa a", "rsa a")
			if (err != nil) != test.fails {
				t.Errorf("error %v", err)
			}
			want := []string{hostLine(t, "host.example", "ed25519 a")}
			for _, key := range test.learnt {
				want = append(want, hostLine(t, "host.example", key))
			}
			if lines, _ := readKnownHosts(file); !slices.Equal(lines, want) {
				t.Errorf("got %q, want %q", lines, want)
			}
			if test.conn.requests != 1 {
				t.Errorf("%d requests", test.conn.requests)
			}
		})
	}
}

// updateWith checks the first key and announces all.
func updateWith(t *testing.T, file string, ctx context.Context, conn ssh.Conn, keys ...string) error {
	t.Helper()
	o := hostOptions(t, 22, file)
	o.UpdateHostKeys = config.UpdateYes
	h := newTestHostKeys(t, o, nil)
	if err := h.Check(ctx, nil, testKey(t, keys[0])); err != nil {
		t.Fatal(err)
	}
	var blobs [][]byte
	for _, key := range keys {
		blobs = append(blobs, testKey(t, key).Marshal())
	}
	return h.Update(ctx, conn, requestOf(conn), blobs)
}

// A server that never answers must not hold us.
func TestProofEndsWithContext(t *testing.T) {
	release := make(chan struct{})
	conn := &provingConn{answer: func([]byte) (bool, []byte, error) { <-release; return true, nil, nil }}
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := updateWith(t, writeLines(t, hostLine(t, "host.example", "ed25519 a")), ctx, conn, "ed25519 a", "rsa a")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestAnnouncedKeys(t *testing.T) {
	key := string(wireString("key"))
	for payload, want := range map[string]int{
		"": 0, key: 1, key + key: 2, key + "\x00": -1, "\xff\xff\xff\xff": -1,
		strings.Repeat(key, maxHostKeys): maxHostKeys, strings.Repeat(key, maxHostKeys+1): -1,
	} {
		keys, err := AnnouncedKeys([]byte(payload))
		if want < 0 && err == nil || want >= 0 && (err != nil || len(keys) != want) {
			t.Errorf("%.20q: %d keys, %v", payload, len(keys), err)
		}
	}
}

func TestAnnouncementsLeftAlone(t *testing.T) {
	silent := &provingConn{answer: func([]byte) (bool, []byte, error) { return false, nil, nil }}
	file := writeLines(t, hostLine(t, "host.example", "ed25519 a"), hostLine(t, "host.example", "ecdsa a"))
	if err := updateWith(t, file, t.Context(), silent, "ed25519 a", "rsa a", "rsa a"); err == nil {
		t.Error("a key was announced twice, and nobody minds")
	}
	o := hostOptions(t, 22, file) // UpdateHostKeys no
	h := newTestHostKeys(t, o, nil)
	if err := h.Check(t.Context(), nil, testKey(t, "ed25519 a")); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []config.UpdateHostKeys{config.UpdateNo, config.UpdateAsk, ""} {
		o.UpdateHostKeys = mode
		if err := h.Update(t.Context(), silent, requestOf(silent), [][]byte{testKey(t, "rsa a").Marshal()}); err != nil || silent.requests != 0 {
			t.Errorf("UpdateHostKeys %q: %v, %d requests", mode, err, silent.requests)
		}
	}
	o.UpdateHostKeys = config.UpdateYes
	garbage := [][]byte{[]byte("x"), testCertificate(t, "ed25519 a", "ecdsa ca", nil).Marshal()}
	if err := h.Update(t.Context(), silent, requestOf(silent), garbage); err != nil || silent.requests != 0 {
		t.Errorf("garbage: %v", err)
	}
	if lines, _ := readKnownHosts(file); len(lines) != 2 {
		t.Errorf("lines %q", lines)
	}
}
