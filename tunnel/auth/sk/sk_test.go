package sk

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/tunnel/auth/sk/sktest"
)

func TestMain(m *testing.M) { sktest.Main(m) }

var kinds = []string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256}

func newKey(t testing.TB, kind string) *Key {
	t.Helper()
	key, err := Parse(sktest.New(t, kind, sktest.Touch).File, "")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestFileOfAKeyInAToken(t *testing.T) {
	for _, kind := range kinds {
		for _, flags := range []byte{0, sktest.Touch, sktest.Touch | sktest.PIN} {
			token := sktest.New(t, kind, flags)
			key, err := Parse(token.File, "not needed")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(key.PublicKey().Marshal(), token.Public.Marshal()) || key.WantsTouch() != (flags&sktest.Touch != 0) {
				t.Errorf("%s: another key than that of the file: %+v", kind, key)
			}
		}
	}
}

func TestFilesThatAreNoKeysInATokenAreRefused(t *testing.T) {
	good := sktest.New(t, ssh.KeyAlgoSKED25519, sktest.Touch).File
	block, _ := pem.Decode(good)
	changed := func(at int, bits byte) []byte {
		data := bytes.Clone(block.Bytes)
		if at < 0 {
			at += len(data)
		}
		data[at] ^= bits
		return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: data})
	}
	other, _ := pem.Decode(sktest.New(t, ssh.KeyAlgoSKED25519, sktest.Touch).File)
	swapped := bytes.Clone(block.Bytes)
	head := bytes.Index(swapped, []byte{1, 2, 3, 4, 1, 2, 3, 4})
	swapped = append(swapped[:head], other.Bytes[head:]...)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "another kind of key": pem.EncodeToMemory(plain), "cut": pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes[:len(block.Bytes)-20]}),
		"magic": changed(3, 1), "padding": changed(-1, 1), "check": changed(head, 1), "two halves": pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: swapped}),
	} {
		if key, err := Parse(data, ""); err == nil || key != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The derivation is OpenBSD's: a vector of its bcrypt_pbkdf(3). That whole files are ssh-keygen's, the tests of auth show.
func TestDerivationOfKeys(t *testing.T) {
	derived, err := bcryptKey("password", []byte("salt"), 4, 32)
	if want := "5bbf0cc293587f1c3635555c27796598d47e579071bf427e9d8fbe842aba34d9"; err != nil || hex.EncodeToString(derived) != want {
		t.Errorf("%x, %v; want %s", derived, err, want)
	}
	for rounds, passphrase := range map[uint32]string{0: "x", maxRounds + 1: "x", 1: ""} {
		if _, err := bcryptKey(passphrase, []byte("salt"), rounds, 32); err == nil {
			t.Errorf("%d rounds and the passphrase %q are accepted", rounds, passphrase)
		}
	}
}

func TestEncryptionThatIsNotKnown(t *testing.T) {
	options := ssh.Marshal(struct {
		Salt   string
		Rounds uint32
	}{"salt", 1})
	for _, c := range []container{
		{Cipher: "aes256-gcm@openssh.com", KDF: "bcrypt", KDFOptions: options}, {Cipher: "aes256-ctr", KDF: "other"}, {Cipher: "none", KDF: "bcrypt"},
	} {
		if _, err := c.decrypt("sesame"); err == nil || !strings.Contains(err.Error(), "ssh-keygen -p -Z aes256-ctr") {
			t.Errorf("%s, %s: %v", c.Cipher, c.KDF, err)
		}
	}
	for _, c := range []container{
		{Cipher: "aes256-cbc", KDF: "bcrypt", KDFOptions: options, Private: []byte("short")}, {Cipher: "aes256-ctr", KDF: "bcrypt", KDFOptions: options[1:]},
	} {
		if _, err := c.decrypt("sesame"); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", c.Cipher, err)
		}
	}
}

func TestHelperSigns(t *testing.T) {
	for _, kind := range kinds {
		key := newKey(t, kind)
		h := Helper{Path: sktest.Helper(t, "sign"), Provider: "internal", Log: quiet()}
		signature, err := h.Sign(t.Context(), key, []byte("data"), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := key.PublicKey().Verify([]byte("data"), signature); err != nil {
			t.Error(err)
		}
		h.Path = sktest.Helper(t, "pin:1234")
		if _, err := h.Sign(t.Context(), key, []byte("data"), "1234"); err != nil {
			t.Error(err)
		}
		if _, err := h.Sign(t.Context(), key, []byte("data"), ""); !errors.Is(err, ErrPIN) || Passes(err) {
			t.Errorf("without a PIN: %v", err)
		}
	}
}

func TestHelperThatLies(t *testing.T) {
	key := newKey(t, ssh.KeyAlgoSKED25519)
	for name, test := range map[string]struct {
		path   string
		says   string
		passes bool
	}{
		"another key":     {sktest.Helper(t, "forge"), "not one of this key", true},
		"another version": {sktest.Helper(t, "version:6"), "speaks version 6 of its protocol, and tunneld version 5", false},
		"no token":        {sktest.Helper(t, "error:60"), "no token with this key is plugged in", true},
		"not touched":     {sktest.Helper(t, "error:4"), "nobody has touched it in time", true},
		"no library":      {sktest.Script(t, `echo "x.so is not a library" >&2; exec `+sktest.Helper(t, "error:4")), "the token does not sign (x.so is not a library)", false},
		"unknown error":   {sktest.Helper(t, "error:99"), "error 99", true},
		"goes away":       {sktest.Script(t, `printf 'debug1: hello\r\n' >&2; printf 'unsupported version: received 5, expected \0336\r\n' >&2; exit 255`), "ended without an answer (unsupported version: received 5, expected 6)", true},
		"empty":           {sktest.Script(t, `printf '\0\0\0\0'`), "makes no sense", true},
		"large":           {sktest.Script(t, `exec yes`), "makes no sense", true},
		"half":            {sktest.Script(t, `printf '\0\0\0\100\5\0\0\0\1'`), "ended without an answer", true},
		"short":           {sktest.Script(t, `printf '\0\0\0\2\5\0'`), "makes no sense", true},
		"other type":      {sktest.Script(t, `printf '\0\0\0\5\5\0\0\0\3'`), "makes no sense", true},
		"no signature":    {sktest.Script(t, `printf '\0\0\0\11\5\0\0\0\1\0\0\0\0'`), "makes no sense", true},
		"floods":          {sktest.Script(t, `exec yes >&2`), "ended without an answer", true},
		"no program":      {filepath.Join(t.TempDir(), "none"), "cannot be run", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := Helper{Path: test.path, Provider: "internal", Log: quiet()}
			_, err := h.Sign(t.Context(), key, []byte("data"), "")
			if err == nil || !strings.Contains(err.Error(), test.says) || Passes(err) != test.passes {
				t.Errorf("it says %v, want %q; passes: %v", err, test.says, Passes(err))
			}
		})
	}
}

// What a library prints can have the PIN in it that it was given: no log and no error does.
func TestPINIsNotShown(t *testing.T) {
	var log bytes.Buffer
	h := Helper{
		Path:     sktest.Script(t, `printf 'library: login with 4711x\r\n4711x is wrong\r\n' >&2; exec `+sktest.Helper(t, "error:99")),
		Provider: "internal", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	_, err := h.Sign(t.Context(), newKey(t, ssh.KeyAlgoSKED25519), []byte("data"), "4711x")
	if err == nil || !strings.Contains(err.Error(), "is wrong") || strings.Contains(err.Error(), "4711x") {
		t.Errorf("the error: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "library: login with") || strings.Contains(text, "4711x") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestHelperIsFound(t *testing.T) {
	path := sktest.Script(t, "")
	if found, err := Find(path); found != path || err != nil {
		t.Errorf("%q, %v", found, err)
	}
	missing := new(MissingError)
	if _, err := Find(path + "x"); !errors.As(err, &missing) || !strings.Contains(err.Error(), "SSH_SK_HELPER: "+path+"x: no such file") {
		t.Errorf("a name that is wrong: %v", err)
	}
	if _, err := Find(filepath.Dir(path)); !errors.As(err, &missing) {
		t.Errorf("a directory: %v", err)
	}
}

func FuzzKeyFile(f *testing.F) {
	for _, kind := range kinds {
		f.Add(sktest.New(f, kind, sktest.Touch).File)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := Parse(data, ""); (key == nil) == (err == nil) {
			t.Errorf("neither a key nor an error, or both: %v", err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 0, 0, 0, 0, 43})
	f.Add([]byte{5, 0, 0, 0, 1, 0, 0, 0, 0})
	key := newKey(f, ssh.KeyAlgoSKED25519)
	f.Fuzz(func(t *testing.T, data []byte) {
		signature, err := parseAnswer(data)
		if (signature == nil) == (err == nil) {
			t.Errorf("neither a signature nor an error, or both: %v", err)
		}
		if err == nil {
			check(key, nil, signature)
		}
	})
}
