package sshconfig

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel/auth/sk/sktest"
)

// touched are the lines that tell somebody to touch the token.
var touched = lab.Said("touch the security key")

// ssh-keygen makes the key, ssh-sk-helper signs with it, sshd takes the signature; at each connection somebody is told to touch.
func TestHardwareKey(t *testing.T) {
	t.Parallel()
	library := lab.DummyToken(t)
	for kind, passphrase := range map[string]string{"ed25519-sk": "", "ecdsa-sk": lab.Secret} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			file, secret := l.Account.Path("id_token"), l.Account.Path("passphrase")
			public := lab.NewTokenKey(t, library, kind, file, passphrase)
			lab.WriteFile(t, secret, lab.Secret+"\n")
			lab.WriteFile(t, l.Server.Path("authorized_keys"), string(ssh.MarshalAuthorizedKey(public)))
			l.Options("IdentityFile "+file, "SecurityKeyProvider "+library, "TunneldPassphraseFile "+secret)
			r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
			c := l.Open(lab.Tunneld, []lab.Route{r}, lab.Hasty...)
			l.Outages(c, r, 1)
			if times := len(c.Matching(touched)); times < 2 {
				t.Errorf("somebody was told %d times to touch the token, want once for each of 2 connections", times)
			}
			noSecret(t, c)
		})
	}
}

// Nobody touches the token: whoever stops the tunnel does not wait for it, and leaves no helper behind.
func TestStopWhileATokenWaitsForItsTouch(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	file := sktest.New(t, ssh.KeyAlgoSKED25519, sktest.Touch).Write(t, l.Account.Dir)
	public, err := os.ReadFile(file + ".pub")
	lab.Check(t, err)
	lab.WriteFile(t, l.Server.Path("authorized_keys"), string(public))
	pid := l.Account.Path("pid")
	l.Prefix = []string{"env", "SSH_SK_HELPER=" + sktest.Script(t, fmt.Sprintf("echo $$ >%s.new; mv %[1]s.new %[1]s; exec sleep 600", pid))}
	l.Options("IdentityFile " + file)
	c := l.Start(lab.Tunneld, lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address()).Flags...)
	c.WaitLine(t, 0, lab.Patience, "somebody is told", touched)
	lab.Eventually(t, lab.Patience, "the helper runs", func() bool { _, err := os.Stat(pid); return err == nil })
	c.Signal(syscall.SIGTERM)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text, _ := os.ReadFile(pid)
	number, err := strconv.Atoi(strings.TrimSpace(string(text)))
	lab.Check(t, err)
	lab.Eventually(t, lab.Patience, "the helper is gone", func() bool { return !lab.Lives(number) })
}
