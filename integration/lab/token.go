package lab

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/crypto/ssh"
)

// dummyTokens are where the library is that OpenSSH's own tests have in the place of a FIDO token: by integration/tools.sh, and by
// Debian's package openssh-tests.
var dummyTokens = []string{"/usr/local/lib/tunneld-tests/sk-dummy.so", "/usr/lib/openssh/regress/misc/sk-dummy/sk-dummy.so"}

// DummyToken returns the path of that library, or skips the test.
func DummyToken(t testing.TB) string {
	t.Helper()
	for _, path := range dummyTokens {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("needs sk-dummy.so of Debian's openssh-tests: not installed; as root, make tools installs it")
	return ""
}

// NewTokenKey has ssh-keygen make a key of a type such as ed25519-sk in a token that library stands for; path is that of its file.
func NewTokenKey(t testing.TB, library, kind, path, passphrase string) ssh.PublicKey {
	t.Helper()
	Need(t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", "-q", "-t", kind, "-w", library, "-a", "1", "-N", passphrase, "-f", path)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, output)
	}
	text, err := os.ReadFile(path + ".pub")
	Check(t, err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	Check(t, err)
	return public
}
