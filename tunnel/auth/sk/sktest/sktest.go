// Package sktest has keys of tokens that are made of software, and an ssh-sk-helper that signs with them and can be told to lie, for
// tests.
package sktest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Flags of a key (PROTOCOL.u2f).
const (
	Touch = 0x01 // somebody has to touch the token
	PIN   = 0x04 // somebody has to give the token its PIN
)

// application is what ssh-keygen makes keys of tokens for.
const application = "ssh:"

// Token is a token with one key. The handle in its file is the private half itself.
type Token struct {
	Public ssh.PublicKey
	File   []byte // the private key file, as ssh-keygen writes it
}

// New returns a token with a key of type ssh.KeyAlgoSKED25519 or ssh.KeyAlgoSKECDSA256.
func New(t testing.TB, kind string, flags byte) *Token {
	t.Helper()
	blob, handle := newKey(t, kind)
	public, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	private := bytes.Join([][]byte{{1, 2, 3, 4, 1, 2, 3, 4}, blob, ssh.Marshal(struct {
		Flags            byte
		Handle, Reserved []byte
		Comment          string
	}{flags, handle, nil, "a token"})}, nil)
	for n := byte(1); len(private)%8 != 0; n++ {
		private = append(private, n)
	}
	file := append([]byte("openssh-key-v1\x00"), ssh.Marshal(struct {
		Cipher, KDF     string
		Options         []byte
		Keys            uint32
		Public, Private []byte
	}{"none", "none", nil, 1, blob, private})...)
	return &Token{Public: public, File: pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: file})}
}

// newKey returns the public half as it goes over the wire, and what stands for the token's handle.
func newKey(t testing.TB, kind string) (blob, handle []byte) {
	t.Helper()
	if kind == ssh.KeyAlgoSKED25519 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return ssh.Marshal(struct {
			Type        string
			Key         []byte
			Application string
		}{kind, public, application}), private
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	handle, err = private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return ssh.Marshal(struct {
		Type, Curve string
		Point       []byte
		Application string
	}{kind, "nistp256", point, application}), handle
}

// Write puts the file of the key, and its public half beside it, into a directory and returns the path.
func (k *Token) Write(t testing.TB, directory string) string {
	t.Helper()
	path := filepath.Join(directory, "id_sk")
	for name, data := range map[string][]byte{path: k.File, path + ".pub": ssh.MarshalAuthorizedKey(k.Public)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// PINs names the variable for a file in which a helper notes each PIN that it is sent, on a line; unset: it notes none.
const PINs = "TUNNELD_TEST_SK_PINS"

// behaviour names the variable that has a test's program be a helper.
const behaviour = "TUNNELD_TEST_SK_HELPER"

// Helper writes an ssh-sk-helper that behaves as told, and returns its path:
//
//	sign         signs
//	pin:1234     signs where it is given this PIN, and else wants one
//	error:60     answers with an error of ssherr.h
//	version:6    answers in another version of the protocol
//	forge        signs with another key
//
// The test's TestMain has to call Main.
func Helper(t testing.TB, how string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Script(t, fmt.Sprintf("%s='%s' exec '%s'", behaviour, how, program))
}

// Script writes a shell script that stands for an ssh-sk-helper, and returns its path.
func Script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ssh-sk-helper")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
