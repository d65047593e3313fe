package auth

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
)

// pinToken is a token in software with an RSA and an ECDSA key.
type pinToken struct {
	library string
	dir     string
	keys    []string // files that hold the same keys, RSA first
}

// cardPIN is what opens it.
const cardPIN = "719382"

func newPINToken(t *testing.T) *pinToken {
	t.Helper()
	program := authTool(t, "softhsm2-util")
	needsCardHelper(t)
	s := &pinToken{dir: t.TempDir()}
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			s.library = path
		}
	}
	if s.library == "" {
		t.Skip("needs libsofthsm2.so: not found")
	}
	conf := filepath.Join(s.dir, "softhsm2.conf")
	text := "directories.tokendir = " + s.dir + "/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	forgetPINs()
	run(t, "SOFTHSM2_CONF="+conf, program, "--init-token", "--free", "--label", "lab", "--pin", cardPIN, "--so-pin", "1234567890")
	for i, kind := range [][]string{{"-t", "rsa", "-b", "2048"}, {"-t", "ecdsa"}} {
		key := authKeygen(t, filepath.Join(s.dir, kind[1]), append(kind, "-m", "PKCS8")...)
		run(t, "SOFTHSM2_CONF="+conf, program, "--import", key, "--token", "lab", "--label", kind[1], "--id", fmt.Sprintf("a%d", i), "--pin", cardPIN)
		s.keys = append(s.keys, key)
	}
	return s
}

// needsCardHelper skips the test where there is no ssh-pkcs11-helper.
func needsCardHelper(t *testing.T) {
	t.Helper()
	for _, directory := range []string{"/usr/lib/openssh", "/usr/libexec/openssh", "/usr/libexec", "/usr/lib/ssh"} {
		if _, err := os.Stat(filepath.Join(directory, "ssh-pkcs11-helper")); err == nil {
			return
		}
	}
	if os.Getenv("SSH_PKCS11_HELPER") == "" {
		t.Skip("needs ssh-pkcs11-helper: not installed; as root, make tools installs it")
	}
}

// options are a host entry that leads to the server with the token's keys.
func (s *pinToken) options(t *testing.T, server *authServer, files ...string) *config.Options {
	t.Helper()
	o := server.options(t, files...)
	o.PKCS11Provider = s.library
	return o
}

// noCardHelperLeft fails the test when a helper of it runs on.
func noCardHelperLeft(t *testing.T) {
	t.Helper()
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range processes {
		line, _ := os.ReadFile(path)
		environment, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if strings.Contains(string(line), "ssh-pkcs11-helper") && strings.Contains(string(environment), "SOFTHSM2_CONF="+os.Getenv("SOFTHSM2_CONF")) {
			t.Errorf("a helper is left: %s", path)
		}
	}
}

// Both keys of a token log in, through the helper of this system and the newest one, which takes other requests. The PIN is asked for
// once: the wrong one is not tried again, the right one is remembered.
func TestCardLogsIn(t *testing.T) {
	t.Run("helper of the system", testCardLogsIn)
	newest, err := exec.LookPath("ssh-pkcs11-helper-newest")
	if err != nil {
		t.Log("the newest helper is not installed; as root, make tools installs it")
		return
	}
	t.Setenv("SSH_PKCS11_HELPER", newest)
	t.Run("newest helper", testCardLogsIn)
}

func testCardLogsIn(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	held := newPINToken(t)
	person := &fakePerson{answers: []string{"111111", cardPIN}}
	c, log := credentials(person)
	server.authorize(t, held.keys...)
	_, err := login(t, c, held.options(t, server))
	wantAuthError(t, err, true, "no key for this PIN", "check the PIN")
	for i, key := range held.keys {
		server.authorize(t, key)
		a, err := login(t, c, held.options(t, server))
		if err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		if detail := a.Detail(); !strings.HasSuffix(detail, " token") || !strings.Contains(detail, []string{"RSA", "ECDSA"}[i]) {
			t.Errorf("it logged in with %q", detail)
		}
	}
	prompt := "Enter PIN for '" + held.library + "': "
	if got := person.asked(); got != prompt+"|"+prompt {
		t.Errorf("asked %q", got)
	}
	if text := log.String(); strings.Contains(text, cardPIN) || strings.Contains(text, "111111") {
		t.Errorf("a PIN is in the log:\n%s", text)
	}
	noCardHelperLeft(t)
}

// Nobody is asked for the PIN where another key is taken before, and nobody to ask is said.
func TestCardPINIsAskedForLate(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	held := newPINToken(t)
	person := &fakePerson{answers: []string{cardPIN}}
	c, _ := credentials(person)
	loaded := startAuthAgent(t, "")
	key := authKeygen(t, filepath.Join(server.dir, "key"))
	loaded.add(t, key)
	server.authorize(t, key)
	o := held.options(t, server)
	o.IdentityAgent = loaded.socket
	if _, err := login(t, c, o); err != nil {
		t.Error(err)
	}
	if got := person.asked(); got != "" {
		t.Errorf("asked %q", got)
	}
	server.authorize(t, held.keys[0])
	nobody, _ := credentials(nil)
	_, err := login(t, nobody, held.options(t, server))
	wantAuthError(t, err, true, "it wants a PIN, and there is none", "ssh-add -s "+held.library)
	o = held.options(t, server)
	o.BatchMode = true
	_, err = login(t, c, o)
	wantAuthError(t, err, true, "it wants a PIN, and there is none")
	noCardHelperLeft(t)
}

// Who is asked before the terminal goes away needs not be asked again.
func TestCardIsUnlockedBefore(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	held := newPINToken(t)
	person := &fakePerson{answers: []string{cardPIN}}
	c, log := credentials(person)
	server.authorize(t, held.keys[1])
	if err := c.Unlock(t.Context(), held.options(t, server), c.log); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, c, held.options(t, server)); err != nil || strings.Count(person.asked(), "PIN") != 1 {
		t.Errorf("%v, asked %q\n%s", err, person.asked(), log)
	}
	noCardHelperLeft(t)
}

// A certificate for a key of the token needs nothing else, and a public key that names it is what IdentitiesOnly asks for.
func TestCardWithCertificateAndIdentitiesOnly(t *testing.T) {
	noLeaks(t)
	held := newPINToken(t)
	authority := authKeygen(t, filepath.Join(held.dir, "authority"))
	server := startAuthServer(t, "TrustedUserCAKeys "+authority+".pub")
	authSign(t, authority, held.keys[1])
	for _, key := range held.keys { // only the token has the private halves
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
	}
	c, log := credentials(&fakePerson{answers: []string{cardPIN}})
	o := held.options(t, server)
	o.CertificateFile, o.IdentitiesOnly = []string{held.keys[1] + "-cert.pub"}, true
	if a, err := login(t, c, o); err != nil || !strings.Contains(a.Detail(), "CERT") {
		t.Errorf("%v\n%s", err, log)
	}
	server.authorize(t, held.keys[0]+".pub")
	o = held.options(t, server)
	o.IdentitiesOnly = true
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "IdentitiesOnly, and no IdentityFile has its public key")
	o = held.options(t, server, held.keys[0]+".pub")
	o.IdentitiesOnly = true
	if a, err := login(t, c, o); err != nil || !strings.HasSuffix(a.Detail(), " token") {
		t.Errorf("%v\n%s", err, log)
	}
}

// The keys come in ssh's order.
func TestCardKeysAreOfferedAsSSHDoes(t *testing.T) {
	program := authTool(t, "ssh")
	noLeaks(t)
	server := startAuthServer(t)
	held := newPINToken(t)
	loaded := startAuthAgent(t, "")
	agents, file := authKeygen(t, filepath.Join(server.dir, "agents")), authKeygen(t, filepath.Join(server.dir, "file"))
	loaded.add(t, agents)
	for name, c := range map[string]struct {
		files []string
		only  bool
	}{
		"as they are":             {[]string{file}, false},
		"one is listed":           {[]string{file, held.keys[1] + ".pub"}, false},
		"IdentitiesOnly":          {[]string{file}, true},
		"one is listed, and only": {[]string{file, held.keys[1] + ".pub"}, true},
	} {
		o := held.options(t, server, c.files...)
		o.IdentitiesOnly, o.IdentityAgent, o.KbdInteractiveAuthentication, o.PasswordAuthentication = c.only, loaded.socket, false, false
		words := []string{
			"-F", "none", "-v", "-p", fmt.Sprint(o.Port), "-I", held.library, "-o", "IdentityAgent=" + loaded.socket, "-o", "StrictHostKeyChecking=no",
			"-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=" + map[bool]string{true: "yes", false: "no"}[c.only],
		}
		for _, file := range c.files {
			words = append(words, "-i", file)
		}
		theirs := server.offersTo(t, func() {
			ask := exec.Command(program, append(words, o.User+"@"+o.HostName, "true")...)
			ask.Env = append(os.Environ(), "SSH_ASKPASS_REQUIRE=never")
			if output, _ := ask.CombinedOutput(); !strings.Contains(string(output), "Permission denied") {
				t.Fatalf("ssh did not get as far as a refusal:\n%s", output)
			}
		})
		memory, log := credentials(&fakePerson{answers: []string{cardPIN}})
		ours := server.offersTo(t, func() {
			_, err := login(t, memory, o)
			wantAuthError(t, err, true)
		})
		if got, want := strings.Join(ours, "\n"), strings.Join(withoutRepeats(theirs), "\n"); got != want {
			t.Errorf("%s: offered\n%s\nssh offers\n%s\n%s", name, got, want, log)
		}
	}
}

// What can be wrong about a token has words and advice of its own, and does not keep other keys from being tried.
func TestCardTroubles(t *testing.T) {
	noLeaks(t)
	server := startAuthServer(t)
	key := authKeygen(t, filepath.Join(server.dir, "key"))
	c, _ := credentials(&fakePerson{answers: []string{"1", "2", "3"}})
	broken := filepath.Join(server.dir, "helper")
	script := func(text string) {
		t.Helper()
		if err := os.WriteFile(broken, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SSH_PKCS11_HELPER", broken)
	}
	o := server.options(t)
	o.PKCS11Provider = "/no/such/lib.so"
	for _, trouble := range []struct {
		helper    string
		permanent bool
		words     []string
	}{
		{"exit 3", false, []string{"ssh-pkcs11-helper has ended", "ssh-add -s /no/such/lib.so"}},
		{`echo "provider $0 is not a PKCS11 library" >&2; printf '\0\0\0\5\5\0\0\0\1'; exec cat`, true, []string{"the library cannot be used (provider", "is the path of a library"}},
		{`printf '\0\0\0\5\5\0\0\0\3'; exec cat`, false, []string{"no token in any slot", "plug the token in"}},
		{`printf '\0\0\0\5\5\0\0\0\5'; exec cat`, true, []string{"PIN locked", "PUK"}},
	} {
		script(trouble.helper)
		_, err := login(t, c, o)
		wantAuthError(t, err, trouble.permanent, trouble.words...)
	}
	t.Setenv("SSH_PKCS11_HELPER", filepath.Join(server.dir, "none"))
	_, err := login(t, c, o)
	wantAuthError(t, err, true, "none cannot be run", "install OpenSSH's ssh-pkcs11-helper")
	server.authorize(t, key)
	o.IdentityFile = []config.IdentityFile{{Path: key, Explicit: true}}
	if _, err := login(t, c, o); err != nil {
		t.Error(err)
	}
}

// A helper that hangs ends with the attempt, and the deadline does not run against a person meanwhile.
func TestCardEndsWithTheAttempt(t *testing.T) {
	noLeaks(t)
	directory := t.TempDir()
	helper, began := filepath.Join(directory, "helper"), filepath.Join(directory, "began")
	if err := os.WriteFile(helper, []byte("#!/bin/sh\n: > "+began+"\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_PKCS11_HELPER", helper)
	c, _ := credentials(nil)
	o := authOptions(t, "bob", "127.0.0.1:1")
	o.PKCS11Provider = "/lib.so"
	ctx, cancel := context.WithCancel(t.Context())
	a, err := c.Begin(ctx, o, c.log)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	var waits []bool
	a.OnPrompt = func(waiting bool) { waits = append(waits, waiting) }
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := os.Stat(began); err == nil || ctx.Err() != nil {
				cancel()
				return
			}
		}
	}()
	if _, err := a.next(&ssh.ClientAuthContext{AllowedMethods: []string{"publickey"}}); err == nil {
		t.Error("the attempt goes on")
	}
	if fmt.Sprint(waits) != "[true false]" {
		t.Errorf("the deadline stood still: %v", waits)
	}
}
