package hostkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// keyring makes each named key once for all tests.
var keyring sync.Map

// testSigner returns the key of that name; its type is the name's first word: ed25519, ecdsa, rsa or rsa1024.
func testSigner(t testing.TB, name string) ssh.Signer {
	t.Helper()
	if signer, ok := keyring.Load(name); ok {
		return signer.(ssh.Signer)
	}
	var private any
	var err error
	switch kind, _, _ := strings.Cut(name, " "); kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa1024":
		private, err = rsa.GenerateKey(rand.Reader, 1024)
	default:
		t.Fatalf("no key of kind %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := keyring.LoadOrStore(name, signer)
	return kept.(ssh.Signer)
}

func testKey(t testing.TB, name string) ssh.PublicKey {
	t.Helper()
	return testSigner(t, name).PublicKey()
}

// keyText returns a key as it stands in files.
func keyText(key ssh.PublicKey) string {
	return key.Type() + " " + base64.StdEncoding.EncodeToString(key.Marshal())
}

// hostLine returns a line of known_hosts.
func hostLine(t testing.TB, names, key string) string {
	t.Helper()
	return names + " " + keyText(testKey(t, key))
}

// testCertificate returns a host certificate for the key, made by the authority; change may alter it before it is signed.
func testCertificate(t testing.TB, key, authority string, change func(*ssh.Certificate)) *ssh.Certificate {
	t.Helper()
	cert := &ssh.Certificate{
		Key: testKey(t, key), CertType: ssh.HostCert, KeyId: "host one", Serial: 7,
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
		ValidPrincipals: []string{"host.example"},
	}
	if change != nil {
		change(cert)
	}
	if err := cert.SignCert(rand.Reader, testSigner(t, authority)); err != nil {
		t.Fatal(err)
	}
	return cert
}

// writeLines writes a file of known hosts and returns its path.
func writeLines(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostOptions are for host.example on this port, with this file of known hosts.
func hostOptions(t sshtest.T, port int, file string) *config.Options {
	t.Helper()
	defaults := sshtest.Defaults(t)
	return &config.Options{
		Alias: "host", HostName: "host.example", Port: port, User: "bob",
		StrictHostKeyChecking: config.StrictYes,
		UserKnownHostsFile:    []string{file},
		UpdateHostKeys:        config.UpdateNo,
		HostKeyAlgorithms:     defaults.HostKeyAlgorithms,
		CASignatureAlgorithms: defaults.CASignatureAlgorithms,
	}
}

func newTestHostKeys(t testing.TB, o *config.Options, ask Asker) *Keys {
	t.Helper()
	h, err := Read(t.Context(), o, nil, ask, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// testLog shows what is logged when the test fails.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// program returns the path of an installed program, and skips the test where it is missing.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + name); err != nil {
			t.Skipf("needs %s: not installed; as root, make tools installs it", name)
		}
	}
	return path
}

// runProgram returns both outputs of a program that may fail.
func runProgram(t testing.TB, name string, words ...string) (string, error) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), program(t, name), words...).CombinedOutput()
	return string(output), err
}

// mustRun returns the outputs of a program that may not fail.
func mustRun(t testing.TB, name string, words ...string) string {
	t.Helper()
	output, err := runProgram(t, name, words...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(words, " "), err, output)
	}
	return output
}

// writePrivate writes the key of that name as ssh-keygen does, with its .pub, and returns the path.
func writePrivate(t testing.TB, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, strings.ReplaceAll(name, " ", "_"))
	kind, _, _ := strings.Cut(name, " ")
	words := []string{"-q", "-t", kind, "-N", "", "-C", name, "-f", path}
	if kind == "rsa" {
		words = append(words, "-b", "2048")
	}
	mustRun(t, "ssh-keygen", words...)
	return path
}

// readPublic reads a .pub file.
func readPublic(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(readFile(t, path)))
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	return key
}
