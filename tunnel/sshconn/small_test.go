package sshconn

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// inHome serves like inetd, with dir in place of the home directory: Dropbear and TinySSH read authorized_keys nowhere
// else. It takes a mount namespace, and so root.
func inHome(t *testing.T, dir string, argv ...string) *stranger {
	t.Helper()
	unshare, mount := peerTool(t, "unshare"), peerTool(t, "mount")
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	try := exec.Command(unshare, "--mount", mount, "--bind", dir, who.HomeDir)
	if out, err := try.CombinedOutput(); err != nil {
		t.Skipf("the server reads ~/.ssh/authorized_keys, and a mount namespace for it is not to be had: %s", out)
	}
	script := `"$0" --bind "$1" "$2" && shift 2 && exec "$@"`
	return inetd(t, append([]string{unshare, "--mount", "/bin/sh", "-c", script, mount, dir, who.HomeDir}, argv...)...)
}

// homeFor makes a home directory that lets k in.
func homeFor(t *testing.T, k *peerKeys) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Join(dir, ".ssh")} {
		os.Mkdir(d, 0o700)
		os.Chmod(d, 0o700)
	}
	peerWrite(t, filepath.Join(dir, ".ssh", "authorized_keys"), ssh.MarshalAuthorizedKey(k.public))
	return dir
}

func TestDialDropbear(t *testing.T) {
	wantNoLeak(t)
	dropbear, dropbearkey := peerTool(t, "dropbear"), peerTool(t, "dropbearkey")
	client := newPeerKeys(t)
	hostKey := filepath.Join(t.TempDir(), "host")
	out, err := exec.Command(dropbearkey, "-t", "ed25519", "-f", hostKey).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, rest, err := ssh.ParseAuthorizedKey(out) // skips the lines that are none
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	public, _, _, _, _ := ssh.ParseAuthorizedKey(out[:len(out)-len(rest)])
	server := inHome(t, homeFor(t, client), dropbear, "-i", "-s", "-r", hostKey)
	l, err := peerDialer(t).Dial(t.Context(), peerOptions(t, server.port(), public, client.file))
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	t.Logf("%+v", l.Info)
	echoThrough(t, l)
}

// TinySSH has ed25519, curve25519 and chacha20 alone.
func TestDialTinySSH(t *testing.T) {
	wantNoLeak(t)
	tinysshd, makekey := peerTool(t, "tinysshd"), peerTool(t, "tinysshd-makekey")
	client := newPeerKeys(t)
	keys := filepath.Join(t.TempDir(), "keys")
	if out, err := exec.Command(makekey, "-q", keys).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(filepath.Join(keys, "ed25519.pk"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Type string
		Key  []byte
	}{ssh.KeyAlgoED25519, raw}))
	if err != nil {
		t.Fatal(err)
	}
	server := inHome(t, homeFor(t, client), tinysshd, "-v", keys)
	o := peerOptions(t, server.port(), public, client.file)
	l, err := peerDialer(t).Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	serveLink(t, l)
	t.Logf("%+v", l.Info)
	if l.Info.Cipher != ssh.CipherChaCha20Poly1305 {
		t.Errorf("cipher %s", l.Info.Cipher)
	}
	// It knows neither forwarding nor global requests, so there is nothing more to ask of it: it answers a keepalive with
	// SSH_MSG_UNIMPLEMENTED, which OpenSSH's client takes for life and x/crypto/ssh v0.58.0 for the end (mux.go, onePacket).
}
