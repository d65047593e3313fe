package auth

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
)

func TestEncryptedKeyIsAskedForOnce(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		public    bool // the .pub file stays
	}{
		"OpenSSH format":     {nil, false},
		"PEM with .pub":      {[]string{"-t", "rsa", "-b", "2048", "-m", "PEM"}, true},
		"PEM without .pub":   {[]string{"-t", "ecdsa", "-m", "PEM"}, false},
		"PKCS8 without .pub": {[]string{"-t", "ecdsa", "-m", "PKCS8"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			server := startAuthServer(t)
			key := authKeygen(t, filepath.Join(server.dir, "key"), append(test.arguments, "-N", "open sesame")...)
			server.authorize(t, key)
			if !test.public {
				os.Remove(key + ".pub")
			}
			person := &fakePerson{answers: []string{"wrong one", "open sesame"}}
			c, log := credentials(person)
			for range 3 {
				if _, err := login(t, c, server.options(t, key)); err != nil {
					t.Fatalf("%v\nhint: %s", err, fault.HintOf(err))
				}
			}
			prompt := "Enter passphrase for key '" + key + "': "
			if got := person.asked(); got != prompt+"|"+prompt {
				t.Errorf("asked %q", got)
			}
			if strings.Contains(log.String(), "sesame") || strings.Contains(log.String(), "wrong one") {
				t.Errorf("a secret is in the log:\n%s", log)
			}
		})
	}
}

func TestKeyIsDecryptedOnlyWhenTheServerTakesIt(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	locked := authKeygen(t, filepath.Join(server.dir, "locked"), "-N", "secret")
	good := authKeygen(t, filepath.Join(server.dir, "good"))
	server.authorize(t, good)
	person := &fakePerson{}
	c, _ := credentials(person)
	if _, err := login(t, c, server.options(t, locked, good)); err != nil {
		t.Fatal(err)
	}
	if person.asked() != "" {
		t.Errorf("asked %q for a key that the server does not know", person.asked())
	}
}

func TestPassphraseFile(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"), "-N", "sesame")
	server.authorize(t, key)
	file := filepath.Join(server.dir, "passphrase")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := server.options(t, key)
	o.BatchMode = true
	c, _ := credentials(nil)
	_, err := login(t, c, o)
	wantAuthError(t, err, true, key, "encrypted, and there is no passphrase", "TunneldPassphraseFile")

	o.PassphraseFile = file
	_, err = login(t, c, o)
	wantAuthError(t, err, true, file, "no passphrase")
	write("mistaken\n")
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "wrong passphrase in "+file, "ssh-keygen -y")
	if strings.Contains(err.Error(), "mistaken") {
		t.Errorf("the secret is in the error: %v", err)
	}
	write("sesame\r\nsecond line\n")
	if _, err = login(t, c, o); err != nil {
		t.Fatal(err)
	}

	o.PassphraseFile = ""
	c, _ = credentials(nil)
	c.GivenPassphrase = func(string) string { return file } // as from $CREDENTIALS_DIRECTORY
	if _, err = login(t, c, o); err != nil {
		t.Fatal(err)
	}
	write("lost\n")
	if _, err = login(t, c, o); err != nil {
		t.Errorf("the opened key was not kept: %v", err)
	}
}

func TestReplacedKeyFileIsReadAgain(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"), "-N", "sesame")
	server.authorize(t, key)
	person := &fakePerson{answers: []string{"sesame"}}
	c, _ := credentials(person)
	if _, err := login(t, c, server.options(t, key)); err != nil {
		t.Fatal(err)
	}
	next := authKeygen(t, filepath.Join(server.dir, "next"), "-N", "sesame", "-t", "ecdsa")
	for _, suffix := range []string{"", ".pub"} {
		if err := os.Rename(next+suffix, key+suffix); err != nil {
			t.Fatal(err)
		}
	}
	server.authorize(t, key)
	if _, err := login(t, c, server.options(t, key)); err != nil {
		t.Errorf("the new key with the old passphrase: %v", err)
	}
}

func TestKeyFilesThatAreOfNoUse(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	at := func(name string) string { return filepath.Join(server.dir, name) }
	open := authKeygen(t, at("open"))
	os.Chmod(open, 0o644)
	other := authKeygen(t, at("other"))
	authKeygen(t, at("mixed"))
	os.Remove(at("mixed.pub"))
	for source, name := range map[string]string{at("open.pub"): "mixed.pub"} {
		data, _ := os.ReadFile(source)
		os.WriteFile(at(name), data, 0o600)
	}
	os.WriteFile(at("junk"), []byte("junk"), 0o600)
	server.authorize(t, open)

	c, log := credentials(nil)
	o := server.options(t, at("missing"), at("junk"), server.dir, "/dev/null", open, at("mixed"), other)
	o.IdentityFile = append(o.IdentityFile, config.IdentityFile{Path: at("default")})
	for range 2 {
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "offered 3 keys", at("missing")+": no such file", "unprotected private key file: mode 0644",
			"chmod 600 "+open, at("junk")+": ssh: no key found", server.dir+": not a regular file", "ED25519 SHA256:")
		if strings.Contains(err.Error(), at("default")) {
			t.Errorf("the missing default file is named: %v", err)
		}
	}
	if n := strings.Count(log.String(), `level=WARN msg="key not offered" key=`+at("missing")); n != 1 {
		t.Errorf("warned %d times of the missing file:\n%s", n, log)
	}
	server.authorize(t, other)
	if _, err := login(t, c, o); err != nil {
		t.Errorf("the last key was not reached: %v", err)
	}
}

func TestUserCertificates(t *testing.T) {
	noLeaks(t)
	ca := authKeygen(t, filepath.Join(t.TempDir(), "ca"))
	server := startAuthServer(t, "TrustedUserCAKeys "+ca+".pub")
	at := func(name string) string { return filepath.Join(server.dir, name) }
	for name, arguments := range map[string][]string{
		"beside": nil, "agent": nil, "alone": nil, "old": {"-V", "20200101:20210101"}, "future": {"-V", "+1d:+2d"}, "hour": {"-V", "-1h:+1h"},
	} {
		key := authKeygen(t, at(name))
		authSign(t, ca, key, arguments...)
	}
	agent := startAuthAgent(t, "")
	os.Rename(at("agent-cert.pub"), at("kept"))
	agent.add(t, at("agent"))
	os.Rename(at("kept"), at("agent-cert.pub"))
	os.Remove(at("agent")) // its certificate and public key stay
	os.Rename(at("alone-cert.pub"), at("alone.certificate"))

	c, log := credentials(nil)
	t.Run("beside the key", func(t *testing.T) {
		if _, err := login(t, c, server.options(t, at("beside"))); err != nil {
			t.Error(err)
		}
	})
	t.Run("for a key of the agent", func(t *testing.T) {
		o := server.options(t, at("agent"))
		o.IdentityAgent = agent.socket
		if _, err := login(t, c, o); err != nil {
			t.Error(err)
		}
	})
	t.Run("CertificateFile", func(t *testing.T) {
		o := server.options(t, at("alone"))
		o.CertificateFile = []string{at("alone.certificate")}
		if _, err := login(t, c, o); err != nil {
			t.Error(err)
		}
	})
	t.Run("expiry is known", func(t *testing.T) {
		a, err := login(t, c, server.options(t, at("hour")))
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(a.CertExpiry()); left < 50*time.Minute || left > 61*time.Minute {
			t.Errorf("certificate good for %s, want an hour", left)
		}
	})
	t.Run("out of their time", func(t *testing.T) {
		_, err := login(t, c, server.options(t, at("old")))
		wantAuthError(t, err, true, "offered 1 key", "certificate expired 202")
		if !strings.Contains(log.String(), "certificate expired") {
			t.Error("not in the log")
		}
	})
	t.Run("before their time", func(t *testing.T) { // which comes by itself
		_, err := login(t, c, server.options(t, at("old"), at("future")))
		wantAuthError(t, err, false, "offered 3 keys", "certificate expired 202", "certificate not valid before", "clock")
		if !strings.Contains(server.log.String(), "not yet valid") {
			t.Error("the server was not asked")
		}
	})
}

// A machine without a clock of its own starts in the past. The server judges certificates by its own clock, so ssh logs in there.
func TestCertificateThatHoldsByTheServersClock(t *testing.T) {
	noLeaks(t)
	directory := t.TempDir()
	ca, key := authKeygen(t, filepath.Join(directory, "ca")), authKeygen(t, filepath.Join(directory, "key"))
	authSign(t, ca, key, "-V", "+1d:+2d")
	authority, err := readPublicHalf(ca)
	if err != nil {
		t.Fatal(err)
	}
	server := startPasswordServer(t, func(s *passwordServer) {
		checker := &ssh.CertChecker{
			Clock:           func() time.Time { return time.Now().Add(36 * time.Hour) },
			IsUserAuthority: func(by ssh.PublicKey) bool { return sshkey.Same(by, authority) },
			UserKeyFallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, errNotRight },
		}
		s.config.PublicKeyCallback = checker.Authenticate
	})
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := credentials(nil)
	if _, err := login(t, c, authOptions(t, me.Username, server.address, key)); err != nil {
		t.Error(err)
	}
}

func TestTooManyKeys(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t, "MaxAuthTries 6")
	var keys []string
	for _, name := range strings.Fields("a b c d e f g") {
		keys = append(keys, authKeygen(t, filepath.Join(server.dir, name)))
	}
	server.authorize(t, keys[6])
	c, _ := credentials(nil)
	_, err := login(t, c, server.options(t, keys...))
	wantAuthError(t, err, true, "Too many authentication failures", "offered 6 keys", "IdentitiesOnly")
	if _, err := login(t, c, server.options(t, keys[1:]...)); err != nil {
		t.Error(err)
	}
}

func TestNoKeyAtAll(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	c, _ := credentials(nil)
	_, err := login(t, c, server.options(t))
	wantAuthError(t, err, true, server.user+"@"+server.address, "no key to offer", "allows publickey", "-i FILE")
}

// cutConn ends the connection when the server has sent a number of bytes.
type cutConn struct {
	net.Conn
	left int
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.Close()
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func TestLostConnectionIsNoRefusal(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"))
	for limit := 500; limit < 2600; limit += 100 {
		person := &fakePerson{}
		c, _ := credentials(person)
		_, err := loginThrough(t, c, server.options(t, key), func(conn net.Conn) net.Conn { return &cutConn{conn, limit} })
		switch {
		case err == nil:
			t.Fatalf("logged in with %d bytes", limit)
		case fault.IsPermanent(err) && !strings.Contains(err.Error(), "offered 1 key:"):
			t.Errorf("cut after %d bytes: permanent: %v", limit, err)
		case fault.PhaseOf(err) != fault.PhaseAuth:
			t.Errorf("cut after %d bytes: phase %s: %v", limit, fault.PhaseOf(err), err)
		}
		if person.asked() != "" {
			t.Errorf("cut after %d bytes: asked %q for a dead connection", limit, person.asked())
		}
	}
}

func TestBannerIsLoggedOnceAndHarmless(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	banner := filepath.Join(dir, "banner")
	os.WriteFile(banner, []byte("go\x1b[2J away\x07\n"), 0o600)
	server := startAuthServer(t, "Banner "+banner)
	c, log := credentials(nil)
	for range 2 {
		login(t, c, server.options(t))
	}
	if n := strings.Count(log.String(), `level=INFO msg="banner of the server" text="go[2J away"`); n != 1 {
		t.Errorf("banner logged %d times:\n%s", n, log)
	}
	if bytes.ContainsAny([]byte(log.String()), "\x1b\x07") {
		t.Error("control characters in the log")
	}
}
