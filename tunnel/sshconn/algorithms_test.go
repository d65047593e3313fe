package sshconn

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/config"
	"github.com/tunneld/tunneld/tunnel/fault"
)

func TestAlgorithmsOwnOrder(t *testing.T) {
	c, err := algorithms(&config.Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if c.KeyExchanges[0] != ssh.KeyExchangeMLKEM768X25519 || slices.Contains(c.KeyExchanges, ssh.InsecureKeyExchangeDH14SHA1) {
		t.Errorf("key exchanges %v", c.KeyExchanges)
	}
	if slices.Contains(c.MACs, ssh.InsecureHMACSHA196) || len(c.MACs) == 0 {
		t.Errorf("MACs %v", c.MACs)
	}
	if c.RekeyThreshold != neverRekey {
		t.Errorf("rekey threshold %d", c.RekeyThreshold)
	}
	fast, slow := defaultCiphers(true), defaultCiphers(false)
	if fast[0] != ssh.CipherAES128GCM || slow[0] != ssh.CipherChaCha20Poly1305 {
		t.Errorf("with AES instructions %s, without %s comes first", fast[0], slow[0])
	}
	all := ssh.SupportedAlgorithms().Ciphers
	for _, list := range [][]string{fast, slow} {
		if slices.Sort(list); !slices.Equal(list, slices.Sorted(slices.Values(all))) {
			t.Errorf("the ciphers are %v, the library has %v", list, all)
		}
	}
}

func TestAlgorithmsAsAsked(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := algorithms(&config.Options{
		KexAlgorithms: []string{"sntrup761x25519-sha512@openssh.com", "curve25519-sha256@libssh.org", "diffie-hellman-group1-sha1"},
		Ciphers:       []string{"aes256-ctr", "3des-cbc", "rijndael-cbc@lysator.liu.se"},
		MACs:          []string{"umac-64-etm@openssh.com", "hmac-sha1-96"},
		RekeyLimit:    1 << 30,
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []struct {
		got  []string
		want string
	}{
		{c.KeyExchanges, "curve25519-sha256@libssh.org diffie-hellman-group1-sha1"},
		{c.Ciphers, "aes256-ctr 3des-cbc"},
		{c.MACs, "hmac-sha1-96"},
	} {
		if got := strings.Join(list.got, " "); got != list.want {
			t.Errorf("got %q, want %q", got, list.want)
		}
	}
	if c.RekeyThreshold != neverRekey {
		t.Errorf("rekey threshold %d", c.RekeyThreshold)
	}
	if lines := strings.Count(said.String(), "\n"); lines != 3 || !strings.Contains(said.String(), "umac-64-etm") {
		t.Errorf("%d lines in the log, want one for each list:\n%s", lines, said.String())
	}
	client := &ssh.ClientConfig{Config: c}
	client.SetDefaults()
	if len(client.KeyExchanges) != 2 || len(client.Ciphers) != 2 || len(client.MACs) != 1 {
		t.Errorf("the library dropped some of %v %v %v", c.KeyExchanges, c.Ciphers, c.MACs)
	}
}

func TestAlgorithmsNoneLeft(t *testing.T) {
	for keyword, o := range map[string]*config.Options{
		"KexAlgorithms": {KexAlgorithms: []string{"sntrup761x25519-sha512"}},
		"Ciphers":       {Ciphers: []string{"sntrup761x25519-sha512"}},
		"MACs":          {MACs: []string{"sntrup761x25519-sha512"}},
	} {
		_, err := algorithms(o, slog.New(slog.DiscardHandler))
		var e *fault.Error
		if !errors.As(err, &e) || e.Phase != fault.PhaseHandshake || !e.Permanent || e.Hint == "" {
			t.Fatalf("%s: %#v", keyword, err)
		}
		for _, part := range []string{keyword, "sntrup761x25519-sha512", map[string]string{
			"KexAlgorithms": "mlkem768x25519-sha256", "Ciphers": "aes128-gcm@openssh.com", "MACs": "hmac-sha2-256",
		}[keyword]} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not mention %s", keyword, err, part)
			}
		}
	}
}
