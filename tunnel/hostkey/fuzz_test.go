package hostkey

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/tunneld/tunneld/tunnel/fault"
	"github.com/tunneld/tunneld/tunnel/sshkey"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// FuzzKnownHostsFile looks a host up in a whole file, replaces its keys and adds one: what is written is found again, what is
// not the host's stays byte for byte, and a host that x/crypto's reader knows is known here.
func FuzzKnownHostsFile(f *testing.F) {
	plain, other := hostLine(f, "host.example", "ed25519 a"), hostLine(f, "host.example,10.0.0.1", "rsa a")
	hashed := hashName("host.example", bytes.Repeat([]byte{7}, 20)) + " " + keyText(testKey(f, "ed25519 a"))
	for _, text := range []string{
		"", "\n", plain, plain + "\n", plain + "\r\n" + other + "\r\n", "# comment\n\n" + other + "\n" + hashed, "@cert-authority *.example " + keyText(testKey(f, "ecdsa ca")),
		"@revoked * " + keyText(testKey(f, "ed25519 a")) + "\n" + plain, hostLine(f, "*,!host.example", "ed25519 a"), hostLine(f, "[host.example]:22", "ed25519 b"),
		"host.example ssh-rsa AAAA\x00\n" + plain, "|1|AAAA|AAAA ssh-rsa AAAA\n" + hashed + "\n", strings.Repeat(plain+"\n", 20), "\xff\xfe" + plain,
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	key, fresh := testKey(f, "ed25519 a"), testKey(f, "ed25519 b")
	f.Fuzz(func(t *testing.T, text string, hash bool) {
		if len(text) > 16<<10 {
			t.Skip()
		}
		const name = "host.example"
		lines := splitLines(text)
		file := knownHostsFile{path: "f", lines: lines}
		found, _ := file.lookup(name).judge(key)
		if knownElsewhere(t, text, name, key) && found != keyKnown {
			t.Errorf("x/crypto knows the key, here it is %v: %q", found, text)
		}
		r := replacement{host: name, keys: []ssh.PublicKey{fresh}, hash: hash}
		rewritten, _ := r.apply(lines)
		for _, line := range lines {
			if r.keyOf(line) == nil && !slices.Contains(rewritten, line) {
				t.Fatalf("the line %q is lost", line)
			}
		}
		if again, modified := r.apply(rewritten); modified {
			t.Fatalf("%q was not what was wanted: %q", rewritten, again)
		}
		after := knownHostsFile{lines: rewritten}
		if found, _ := after.lookup(name).judge(fresh); found != keyKnown && found != keyRevoked {
			t.Errorf("the new key is %v in %q", found, rewritten)
		}
		for _, missing := range missingNames(text, []string{name, "[10.0.0.1]:2222"}, fresh) {
			added := splitLines(text + "\n" + knownHostsText([]string{missing}, fresh, hash))
			now := knownHostsFile{lines: added}
			if found, _ := now.lookup(missing).judge(fresh); found != keyKnown && found != keyRevoked {
				t.Errorf("%s is %v after it was written down: %q", missing, found, added)
			}
		}
	})
}

// knownElsewhere asks x/crypto's reader, which refuses a whole file for one line that it does not understand.
func knownElsewhere(t *testing.T, text, name string, key ssh.PublicKey) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check, err := knownhosts.New(path)
	if err != nil || strings.Contains(text, "@") || strings.ContainsAny(text, "[]:\v\f\x00\u0085\u00a0") {
		return false // markers and ports mean less there, and more bytes are blanks
	}
	return check(net.JoinHostPort(name, "22"), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}, key) == nil
}

// FuzzCertificate reads a key in the wire format, and where it is a certificate, checks it for a host.
func FuzzCertificate(f *testing.F) {
	hour := uint64(time.Hour / time.Second)
	for _, change := range []func(*ssh.Certificate){
		nil,
		func(c *ssh.Certificate) { c.ValidPrincipals = nil },
		func(c *ssh.Certificate) { c.ValidPrincipals = []string{"*"} },
		func(c *ssh.Certificate) { c.CertType = ssh.UserCert },
		func(c *ssh.Certificate) { c.ValidBefore -= 2 * hour },
		func(c *ssh.Certificate) { c.ValidAfter += 2 * hour },
		func(c *ssh.Certificate) { c.ValidBefore = ssh.CertTimeInfinity },
		func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x": "y"} },
		func(c *ssh.Certificate) { c.KeyId = "\x1b[2J\nhint" },
	} {
		f.Add(testCertificate(f, "ed25519 a", "ecdsa ca", change).Marshal())
	}
	f.Add(testCertificate(f, "rsa a", "rsa ca", nil).Marshal())
	f.Add(testKey(f, "rsa1024 a").Marshal())
	f.Add([]byte("\x00\x00\x00\x07ssh-rsa\xff\xff\xff\xff"))
	o := hostOptions(f, 22, writeLines(f))
	f.Fuzz(func(t *testing.T, blob []byte) {
		key, err := parseKeyBlob(blob)
		if err != nil {
			return
		}
		again, err := parseKeyBlob(key.Marshal())
		if err != nil || !sshkey.Same(again, key) {
			t.Fatalf("%x became %x, %v", blob, key.Marshal(), err)
		}
		sshkey.TypeOf(key)
		sshtest.PlainText(t, describeKey(key))
		cert, ok := key.(*ssh.Certificate)
		if !ok {
			return
		}
		h := newTestHostKeys(t, o, nil)
		err = h.checkCertificate(cert)
		sshtest.Plain(t, err)
		now := uint64(time.Now().Unix())
		switch {
		case err != nil:
		case cert.CertType != ssh.HostCert, cert.ValidBefore < now, cert.ValidAfter > now+1, len(cert.CriticalOptions) > 0:
			t.Errorf("%+v is good", cert)
		case len(cert.ValidPrincipals) > 0 && !slices.Contains(cert.ValidPrincipals, "host.example"):
			t.Errorf("a certificate for %q is good for host.example", cert.ValidPrincipals)
		}
	})
}

// FuzzRevoked reads RevokedHostKeys in both of its forms. What cannot be read revokes nobody in silence.
func FuzzRevoked(f *testing.F) {
	f.Add([]byte(keyText(testKey(f, "ed25519 a")) + "\n# comment\n" + keyText(testKey(f, "rsa a"))))
	f.Add([]byte("ssh-ed25519 AAAA\n"))
	f.Add(krl(krlSection(krlExplicitKey, string(wireString(string(testKey(f, "ed25519 a").Marshal()))))))
	f.Add([]byte("\x1b]0;x\a\n"))
	key := testKey(f, "ed25519 a")
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "revoked")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o := hostOptions(t, 22, writeLines(t))
		o.RevokedHostKeys = []string{path}
		err := newTestHostKeys(t, o, nil).Check(t.Context(), nil, key)
		sshtest.Plain(t, err)
		if err == nil {
			t.Error("an unknown key was accepted")
		}
		var wrong *fault.Error
		if errors.As(err, &wrong) && wrong.Phase != fault.PhaseHostKey {
			t.Errorf("the phase is %s: %v", wrong.Phase, err)
		}
	})
}
