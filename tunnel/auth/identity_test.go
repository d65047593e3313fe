//go:build unix

package auth

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/tunneld/tunneld/tunnel/sshkey"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

func TestKeyTypesAreNamedAsBySSHKeygen(t *testing.T) {
	directory := t.TempDir()
	for want, arguments := range map[string][]string{
		"ED25519": nil, "RSA": {"-t", "rsa", "-b", "1024"}, "ECDSA": {"-t", "ecdsa"},
	} {
		key := authKeygen(t, filepath.Join(directory, want), arguments...)
		authSign(t, key, key)
		for path, want := range map[string]string{key: want, key + "-cert": want + "-CERT"} {
			public, err := readPublicHalf(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := sshkey.TypeOf(public); got != want {
				t.Errorf("%s is called %s", want, got)
			}
			if want == "RSA-CERT" && sshkey.RsaBits(public) != 1024 {
				t.Errorf("%d bits, want 1024", sshkey.RsaBits(public))
			}
		}
	}
	token, err := ssh.ParsePublicKey(softToken(t).public)
	if err != nil {
		t.Fatal(err)
	}
	if got := sshkey.TypeOf(token); got != "ED25519-SK" || !sshkey.IsHardware(token) {
		t.Errorf("a token's key is called %s", got)
	}
}

func TestPublicHalfComesFromTheFirstOfThreePlaces(t *testing.T) {
	directory := t.TempDir()
	inside, beside := authKeygen(t, filepath.Join(directory, "inside")), authKeygen(t, filepath.Join(directory, "beside"))
	read := func(path string) string {
		public, err := readPublicHalf(path)
		if err != nil {
			t.Fatal(err)
		}
		return ssh.FingerprintSHA256(public)
	}
	own, other := read(inside), read(beside+".pub")
	if err := os.Rename(beside+".pub", inside+".pub"); err != nil {
		t.Fatal(err)
	}
	if got := read(inside); got != other {
		t.Error("FILE.pub does not win over the private key")
	}
	os.Remove(inside + ".pub")
	if got := read(inside); got != own {
		t.Error("the public half inside the private key is not found")
	}
	if _, err := readPublicHalf(filepath.Join(directory, "none")); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
}

func TestPipesAndForeignFiles(t *testing.T) {
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if _, _, err := readKeyFile(pipe); err == nil { // and it does not wait for a writer
		t.Error("a pipe was read")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root to give a file away")
	}
	key := authKeygen(t, filepath.Join(directory, "key"))
	for owner, want := range map[int]bool{0: false, 65534: true} { // as a secret that is mounted into a container
		if err := os.Chown(key, owner, 0); err != nil {
			t.Fatal(err)
		}
		os.Chmod(key, 0o644)
		_, info, err := readKeyFile(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := checkPrivate(info) == nil; got != want {
			t.Errorf("mode 0644 of owner %d: accepted %v", owner, got)
		}
	}
}

func FuzzPublicHalf(f *testing.F) {
	f.Add([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4kDEz4MhJ1sBDkqZOBiMfPVkVPUPRBpsYLzyjM4mEX bob\n"))
	f.Add([]byte("# comment\n\nssh-rsa AAAA\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if public := parsePublicLines(data); public != nil {
			sshkey.TypeOf(public)
			sshkey.RsaBits(public)
			sshkey.SignatureAlgorithms(public, nil)
		}
		embeddedPublic(data)
		isEncrypted(data)
	})
}

func FuzzEncryptedPKCS8(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x00}, "x")
	f.Fuzz(func(t *testing.T, der []byte, passphrase string) {
		data := pem.EncodeToMemory(&pem.Block{Type: encryptedPKCS8, Bytes: der})
		if signer, err := decrypt(data, passphrase); (signer == nil) == (err == nil) {
			t.Errorf("neither a key nor an error, or both: %v", err)
		}
	})
}
