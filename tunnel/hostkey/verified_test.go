package hostkey

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

// attempt judges a key as one attempt of a process would that has judged others before.
func attempt(t *testing.T, o *config.Options, verified *VerifiedKeys, key ssh.PublicKey) error {
	t.Helper()
	h, err := Read(t.Context(), o, verified, nil, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	return h.Check(t.Context(), nil, key)
}

// wantVerdict expects an error with these words; none where they are empty.
func wantVerdict(t *testing.T, name string, err error, words string) {
	t.Helper()
	if (err == nil) != (words == "") || err != nil && (fault.PhaseOf(err) != fault.PhaseHostKey || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v, want %q", name, err, words)
	}
}

// unreadable is a file that gives EIO.
const unreadable = "/proc/self/mem"

// What happens to a file of known hosts between two connections. A key that was good stays good unless something that can be
// read speaks against it; any other is refused, and for good only where everything could be read.
func TestKnownHostsAwayAtAReconnect(t *testing.T) {
	good, other := testKey(t, "ed25519 a"), testKey(t, "ed25519 b")
	remove := func(t *testing.T, file string) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		happens     func(t *testing.T, file string)
		change      func(*config.Options)
		same, other string // parts of the error for the same key and for another one; empty: accepted
		mayPass     bool   // the error for another one
	}{
		"missing": {happens: remove, other: "cannot be checked now: ", mayPass: true},
		"a directory": {happens: func(t *testing.T, file string) { remove(t, file); os.Mkdir(file, 0o700) },
			other: "is a directory", mayPass: true},
		"I/O error": {happens: func(t *testing.T, file string) { remove(t, file); os.Symlink(unreadable, file) },
			other: "input/output error", mayPass: true},
		"emptied": {happens: func(_ *testing.T, file string) { os.WriteFile(file, nil, 0o600) }, other: "no host key is known"},
		"another key": {happens: func(t *testing.T, file string) {
			os.WriteFile(file, []byte(hostLine(t, "host.example", "ed25519 b")), 0o600)
		}, same: "has changed"},
		"revoked": {happens: func(t *testing.T, file string) {
			os.WriteFile(file, []byte(hostLine(t, "@revoked *", "ed25519 a")), 0o600)
		}, same: "@revoked", other: "no host key is known"},
		"away, and revoked by the system": {happens: remove, change: func(o *config.Options) {
			os.WriteFile(o.GlobalKnownHostsFile[0], []byte(hostLine(t, "@revoked host.example", "ed25519 a")), 0o600)
		}, same: "@revoked", other: "cannot be checked now", mayPass: true},
		"away, another one of the system": {happens: remove, change: func(o *config.Options) {
			os.WriteFile(o.GlobalKnownHostsFile[0], []byte(hostLine(t, "host.example", "ed25519 c")), 0o600)
		}, same: "cannot be checked now", other: "cannot be checked now", mayPass: true},
		"away, another name": {happens: remove, change: func(o *config.Options) { o.HostKeyAlias = "x" }, same: "no host key is known", other: "no host key is known"},
		"away, another port": {happens: remove, change: func(o *config.Options) { o.Port = 2222 }, same: "no host key is known", other: "no host key is known"},
		"away, another file": {happens: remove, change: func(o *config.Options) { o.UserKnownHostsFile = []string{"/missing"} }, same: "no host key is known", other: "no host key is known"},
		"away, another way": {happens: remove, change: func(o *config.Options) { o.Via = &config.Options{HostName: "j", Port: 22} },
			same: "no host key is known", other: "no host key is known"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := writeLines(t, hostLine(t, "host.example", "ed25519 a"))
			o := hostOptions(t, 22, file)
			o.GlobalKnownHostsFile = []string{filepath.Join(t.TempDir(), "global")}
			var verified VerifiedKeys
			if err := attempt(t, o, &verified, good); err != nil {
				t.Fatal(err)
			}
			test.happens(t, file)
			if test.change != nil {
				test.change(o)
			}
			for range 2 { // the first does not spoil it for the second
				wantVerdict(t, name, attempt(t, o, &verified, good), test.same)
				err := attempt(t, o, &verified, other)
				wantVerdict(t, name, err, test.other)
				if err != nil && fault.IsPermanent(err) == test.mayPass {
					t.Errorf("permanent %v: %v", !test.mayPass, err)
				}
			}
		})
	}
}

// A file that gives an I/O error at the start may give the key in a moment: no key is refused for good, and none is new.
func TestKnownHostsUnreadableAtTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "known_hosts")
	o := hostOptions(t, 22, file)
	o.StrictHostKeyChecking = config.StrictAcceptNew
	o.GlobalKnownHostsFile = []string{unreadable}
	err := attempt(t, o, nil, testKey(t, "ed25519 a"))
	if err == nil || fault.IsPermanent(err) || fault.PhaseOf(err) != fault.PhaseHostKey || !strings.Contains(err.Error(), unreadable+" cannot be read: input/output error") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the key was written down")
	}
	o = hostOptions(t, 22, file)
	if err := attempt(t, o, nil, testKey(t, "ed25519 a")); !fault.IsPermanent(err) {
		t.Errorf("missing at the start: %v", err)
	}
}

// A server that is known by its RSA key shows another one unless that is asked for first.
func TestKnownHostsAwayKeepsTheOrder(t *testing.T) {
	file := writeLines(t, hostLine(t, "host.example", "rsa a"))
	var verified VerifiedKeys
	o := hostOptions(t, 22, file)
	if err := attempt(t, o, &verified, testKey(t, "rsa a")); err != nil {
		t.Fatal(err)
	}
	os.Remove(file)
	h, err := Read(t.Context(), o, &verified, nil, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	if first := h.Algorithms()[0]; first != ssh.KeyAlgoRSASHA512 {
		t.Errorf("%s is offered first", first)
	}
}

func TestAuthorityAwayAtAReconnect(t *testing.T) {
	file := writeLines(t, "@cert-authority host.example "+keyText(testKey(t, "ecdsa ca")))
	o := hostOptions(t, 22, file)
	var verified VerifiedKeys
	if err := attempt(t, o, &verified, testCertificate(t, "ed25519 a", "ecdsa ca", nil)); err != nil {
		t.Fatal(err)
	}
	os.Remove(file)
	for name, test := range map[string]struct {
		shown ssh.PublicKey
		want  string
	}{
		"renewed":                {testCertificate(t, "ed25519 a", "ecdsa ca", func(c *ssh.Certificate) { c.Serial = 8 }), ""},
		"expired":                {testCertificate(t, "ed25519 a", "ecdsa ca", func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Unix()) }), "cannot be checked now"},
		"by another authority":   {testCertificate(t, "ed25519 a", "ecdsa other", nil), "cannot be checked now"},
		"of another key":         {testCertificate(t, "ed25519 b", "ecdsa ca", nil), "cannot be checked now"},
		"the key without it":     {testKey(t, "ed25519 a"), "cannot be checked now"},
		"the authority's itself": {testKey(t, "ecdsa ca"), "cannot be checked now"},
	} {
		err := attempt(t, o, &verified, test.shown)
		wantVerdict(t, name, err, test.want)
		if err != nil && fault.IsPermanent(err) {
			t.Errorf("%s: permanent: %v", name, err)
		}
	}
}

// Without its list of revoked keys nothing is trusted; whether that is for good depends on whether it was there before.
func TestRevokedHostKeysAwayAtAReconnect(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t, hostLine(t, "host.example", "ed25519 a")))
	o.RevokedHostKeys = []string{unreadable}
	if err := attempt(t, o, nil, testKey(t, "ed25519 a")); err == nil || fault.IsPermanent(err) {
		t.Errorf("I/O error at the start: %v", err)
	}
	o.RevokedHostKeys = []string{writeLines(t, "")}
	var verified VerifiedKeys
	if err := attempt(t, o, &verified, testKey(t, "ed25519 a")); err != nil {
		t.Fatal(err)
	}
	for name, half := range map[string]string{"a line": "ssh-ed25519 AAAAC3Nza\n", "a list": krlMagic + "\x00\x00"} {
		if err := os.WriteFile(o.RevokedHostKeys[0], []byte(half), 0o600); err != nil {
			t.Fatal(err)
		}
		err := attempt(t, o, &verified, testKey(t, "ed25519 a"))
		wantVerdict(t, name, err, "cannot be checked now: RevokedHostKeys cannot be used")
		if fault.IsPermanent(err) {
			t.Errorf("half of %s, as it is being written: %v", name, err)
		}
		if err := attempt(t, o, nil, testKey(t, "ed25519 a")); !fault.IsPermanent(err) {
			t.Errorf("half of %s at the start: %v", name, err)
		}
	}
	os.Remove(o.RevokedHostKeys[0])
	if err := attempt(t, o, &verified, testKey(t, "ed25519 a")); err == nil || fault.IsPermanent(err) {
		t.Errorf("missing at a reconnect: %v", err)
	}
}

// Anybody can make a certificate: where only certificates are permitted, the plain key in it is not looked up, and not new.
func TestForeignCertificateWherePlainKeysAreNotPermitted(t *testing.T) {
	shown := testCertificate(t, "ed25519 a", "ecdsa forged", nil)
	for name, test := range map[string]struct {
		algorithms, lines []string
		want              string
	}{
		"new":                 {[]string{ssh.CertAlgoED25519v01}, nil, "permits no plain key"},
		"plain key held":      {[]string{ssh.CertAlgoED25519v01}, []string{hostLine(t, "host.example", "ed25519 a")}, "permits no plain key"},
		"plain of other kind": {[]string{ssh.CertAlgoED25519v01, ssh.KeyAlgoECDSA256}, nil, "permits no plain key"},
		"plain permitted":     {[]string{ssh.CertAlgoED25519v01, ssh.KeyAlgoED25519}, nil, ""},
		"authority held":      {[]string{ssh.CertAlgoED25519v01}, []string{"@cert-authority * " + keyText(testKey(t, "ecdsa forged"))}, ""},
	} {
		for _, port := range []int{22, 2222} {
			file := writeLines(t, test.lines...)
			o := hostOptions(t, port, file)
			o.StrictHostKeyChecking = config.StrictAcceptNew
			o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = test.algorithms, true
			before := readFile(t, file)
			err := attempt(t, o, nil, shown)
			wantVerdict(t, name, err, test.want)
			if err != nil && (!fault.IsPermanent(err) || readFile(t, file) != before) {
				t.Errorf("%s: %v, and the file holds\n%s", name, err, readFile(t, file))
			}
		}
	}
}

// The command is not asked for the order of algorithms where it is written out: it may insist on being told the key.
func TestKnownHostsCommandIsNotAskedForAnOrderThatIsWritten(t *testing.T) {
	o := hostOptions(t, 22, writeLines(t))
	o.KnownHostsCommand = script(t, `test "$1" != NONE || exit 1`, `echo "$2 $1 $3"`) + " %t %H %K"
	o.HostKeyAlgorithms, o.HostKeyAlgorithmsExact = []string{ssh.KeyAlgoED25519}, true
	if err := attempt(t, o, nil, testKey(t, "ed25519 a")); err != nil {
		t.Error(err)
	}
	o.HostKeyAlgorithmsExact = false // as after +
	if _, err := Read(t.Context(), o, nil, nil, testLog(t)); err == nil {
		t.Error("the command is not asked for the order")
	}
}

// ssh is the oracle for the occasions on which the command is run, and for what it is told.
func TestKnownHostsCommandIsRunAsBySSH(t *testing.T) {
	s := startLiveServer(t)
	calls := filepath.Join(t.TempDir(), "calls")
	command := script(t, `echo "$1 $2 $3" >> `+calls, `test "$2" = NONE || echo "$3 $2 $4"`) + " %I %t %H %K"
	for _, algorithms := range [][]setting{nil, {{"HostKeyAlgorithms", "ssh-ed25519"}}, {{"HostKeyAlgorithms", "rsa-sha2-512,ssh-ed25519"}}} {
		settings := append(algorithms, setting{"KnownHostsCommand", command})
		run := func(accepted bool) string {
			t.Helper()
			defer os.Remove(calls)
			if !accepted {
				t.Error("not accepted")
			}
			return readFile(t, calls)
		}
		ours, err := s.byUs(t, writeLines(t), settings...)
		oursSaid := run(ours)
		theirs, output := s.bySSH(t, writeLines(t), settings...)
		if theirsSaid := run(theirs); oursSaid != theirsSaid {
			t.Errorf("%v: we ran\n%s%v\nssh ran\n%s%s", algorithms, oursSaid, err, theirsSaid, output)
		}
	}
}
