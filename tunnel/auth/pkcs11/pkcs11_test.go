package pkcs11

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// asHelper makes the test's own program the helper, which behaves as mode says (see fake_test.go), with these keys.
func asHelper(t *testing.T, mode string, keys ...crypto.Signer) string {
	t.Helper()
	directory := t.TempDir()
	for i, key := range keys {
		writeKey(t, filepath.Join(directory, strconv.Itoa(i)), key)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_PKCS11_HELPER", program)
	t.Setenv(fakeMode, mode)
	t.Setenv(fakeKeys, directory)
	return directory
}

func someKeys(t *testing.T) []crypto.Signer {
	t.Helper()
	number, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := []crypto.Signer{number}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// Helpers of both kinds sign, with every algorithm that a key can have.
func TestBothProtocolsSign(t *testing.T) {
	keys := someKeys(t)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for mode, held := range map[string][]crypto.Signer{"digest": keys, "whole": append(keys, edwards)} {
		asHelper(t, mode, held...)
		token, err := Open(t.Context(), nil, "/lib.so", "1234")
		if err != nil {
			t.Fatalf("%s: %v", mode, err)
		}
		if len(token.Keys) != len(held) {
			t.Errorf("%s: %d keys, want %d", mode, len(token.Keys), len(held))
		}
		for i, key := range token.Keys {
			if key.Label.String() != "key "+strconv.Itoa(i) {
				t.Errorf("%s: label %q", mode, key.Label)
			}
			algorithms := []string{key.Public.Type()}
			if i == 0 {
				algorithms = []string{ssh.KeyAlgoRSA, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
			}
			for _, algorithm := range algorithms {
				signature, err := token.Sign(t.Context(), key.Public, []byte("what a session is bound to"), algorithm)
				if err != nil || signature.Format != algorithm {
					t.Errorf("%s: %s: %v, %v", mode, algorithm, signature, err)
				}
			}
		}
		token.Close()
		token.Close()
	}
}

// What a helper can do wrong ends with an error of the right type, soon, and leaves no process.
func TestBrokenHelpers(t *testing.T) {
	keys := someKeys(t)[:2]
	for mode, want := range map[string]string{
		"dies":    "ssh-pkcs11-helper has ended (it is broken, and the PIN is …)",
		"empty":   "ssh-pkcs11-helper sends a message of 0 bytes",
		"long":    "ssh-pkcs11-helper sends a message of 4294967295 bytes",
		"many":    "ssh-pkcs11-helper says that there are 4294967295 keys",
		"garbage": "ssh-pkcs11-helper sends what is no list of keys",
		"alien":   "ssh-pkcs11-helper answers with message 99",
		"half":    "ssh-pkcs11-helper has ended",
	} {
		asHelper(t, mode, keys...)
		_, err := Open(t.Context(), nil, "/lib.so", "1234")
		if broken := new(HelperError); !errors.As(err, &broken) || err.Error() != want {
			t.Errorf("%s: %v", mode, err)
		}
	}
	for mode, want := range map[string]string{
		"liar":      "ssh-pkcs11-helper sends a signature that is none of this key's",
		"scribbler": "ssh-pkcs11-helper sends what is no signature",
		"tired":     "ssh-pkcs11-helper has ended",
	} {
		asHelper(t, mode, keys...)
		token, err := Open(t.Context(), nil, "/lib.so", "1234")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range token.Keys {
			_, err = token.Sign(t.Context(), key.Public, []byte("data"), ssh.KeyAlgoECDSA256)
		}
		if broken := new(HelperError); !errors.As(err, &broken) || err.Error() != want {
			t.Errorf("%s: %v", mode, err)
		}
		token.Close()
	}
	asHelper(t, "refuses to sign", keys...)
	token, err := Open(t.Context(), nil, "/lib.so", "1234")
	if err != nil {
		t.Fatal(err)
	}
	defer token.Close()
	if _, err := token.Sign(t.Context(), token.Keys[1].Public, []byte("data"), ssh.KeyAlgoECDSA256); !errors.Is(err, errNoSignature) {
		t.Errorf("%v", err)
	}
}

func TestRefusals(t *testing.T) {
	for pin, code := range map[string]Code{"": CodeNothing, "2": CodePINRefused, "3": CodeNoToken, "4": CodePINRequired, "5": CodePINLocked, "1": CodeLibrary} {
		asHelper(t, "refuses")
		_, err := Open(t.Context(), nil, "/lib.so", pin)
		if refused := new(RefusedError); !errors.As(err, &refused) || refused.Code != code || !strings.HasPrefix(err.Error(), code.String()) {
			t.Errorf("%q: %v", pin, err)
		}
	}
	asHelper(t, "no keys")
	_, err := Open(t.Context(), nil, "/lib.so", "1")
	if refused := new(RefusedError); !errors.As(err, &refused) || refused.Code != CodeNothing {
		t.Errorf("%v", err)
	}
}

func TestNoHelper(t *testing.T) {
	t.Setenv("SSH_PKCS11_HELPER", filepath.Join(t.TempDir(), "none"))
	_, err := Open(t.Context(), nil, "/lib.so", "")
	if missing := new(MissingError); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
}
