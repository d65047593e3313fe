package forward

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
	"golang.org/x/crypto/ssh"
)

// dropbear is a small SSH server with habits other than OpenSSH's, on 127.0.0.1.
type dropbear struct {
	port    int
	hostKey ssh.PublicKey
	process *lab.Child
}

// startDropbear returns a running server that lets key in as root. Dropbear reads ~/.ssh/authorized_keys of the password
// database alone, so it gets a mount namespace in which root lives in a temporary directory.
func startDropbear(t testing.TB, key ssh.PublicKey, flags ...string) *dropbear {
	t.Helper()
	lab.NeedRoot(t, "a mount namespace of its own for Dropbear")
	lab.Need(t, "dropbear", "dropbearkey", "unshare", "mount")
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace: %s", out)
	}
	home := t.TempDir()
	os.Chmod(home, 0o700) // Dropbear refuses keys that others could have written
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, filepath.Join(home, ".ssh/authorized_keys"), string(ssh.MarshalAuthorizedKey(key)))
	passwd := filepath.Join(home, "passwd")
	lab.WriteFile(t, passwd, fmt.Sprintf("root:x:0:0:root:%s:/bin/sh\n", home))

	hostKey := filepath.Join(home, "host_key")
	out, err := exec.Command("dropbearkey", "-t", "ed25519", "-f", hostKey).Output()
	if err != nil {
		t.Fatalf("dropbearkey: %v", err)
	}
	d := &dropbear{port: lab.FreePort(t), hostKey: publicKeyIn(t, string(out))}
	binary, _ := lab.FindProgram("dropbear")
	words := []string{"-m", "sh", "-c", `mount --bind "$0" /etc/passwd && exec "$@"`, passwd,
		binary, "-F", "-E", "-s", "-r", hostKey, "-p", lab.Loopback(d.port), "-P", filepath.Join(home, "pid")}
	d.process = lab.StartChild(t, "dropbear", exec.Command("unshare", append(words, flags...)...))
	lab.Eventually(t, lab.Patience, "dropbear listens", func() bool { return lab.Accepts(lab.Loopback(d.port)) })
	return d
}

// publicKeyIn finds the key in what dropbearkey prints.
func publicKeyIn(t testing.TB, text string) ssh.PublicKey {
	t.Helper()
	for l := range strings.Lines(text) {
		if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(l)); err == nil {
			return key
		}
	}
	t.Fatalf("no public key in %q", text)
	return nil
}

func TestForwardsThroughDropbear(t *testing.T) {
	for _, p := range carriers {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			a := lab.NewAccount(t)
			d := startDropbear(t, a.Key)
			a.Trust(lab.Loopback(d.port), d.hostKey)
			a.Host(lab.Alias, d.port)
			ways := lab.Routes(t, lab.StartTarget(t, lab.Transfers).Address())
			(&lab.Lab{T: t, Account: a}).Open(p, ways)
			for _, r := range ways {
				lab.Check(t, lab.Transfer(r.Connect(t), lab.Upload, 1, 8<<20))
				lab.Check(t, lab.Transfer(r.Connect(t), lab.Download, 2, 8<<20))
			}
		})
	}
}
