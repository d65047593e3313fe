package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/config/account"
)

// A secret that others can read is refused as a private key is, and never sent or tried.
func TestExposedSecretFileIsRefused(t *testing.T) {
	noLeaks(t)
	exposed := func(secret string) string {
		path := secretFile(t, secret)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("password", func(t *testing.T) {
		server := askingServer(t, "password")
		c, log := credentials(nil)
		o := authOptions(t, "bob", server.address)
		o.PasswordFile = exposed("right")
		_, err := login(t, c, o)
		wantAuthError(t, err, true, "make it readable by you only: chmod 600 "+o.PasswordFile)
		server.wantTries(t)
		if !strings.Contains(log.String(), "mode 0644 is too open") {
			t.Errorf("the log says\n%s", log)
		}
	})
	t.Run("passphrase", func(t *testing.T) {
		server := startAuthServer(t)
		key := authKeygen(t, filepath.Join(server.dir, "key"), "-N", "sesame")
		server.authorize(t, key)
		c, _ := credentials(nil)
		o := server.options(t, key)
		o.PassphraseFile = exposed("sesame")
		_, err := login(t, c, o)
		wantAuthError(t, err, true, o.PassphraseFile+": others may read it", "chmod 600 "+o.PassphraseFile)
		o.Account = account.Account{Name: "tunneld", UID: os.Getuid(), Service: true}
		_, err = login(t, c, o)
		wantAuthError(t, err, true, "as root, for the service runs as "+o.Account.String()+": chmod 600 "+o.PassphraseFile)
		if err := os.Chmod(o.PassphraseFile, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err = login(t, c, o); err != nil {
			t.Error(err)
		}
	})
}
