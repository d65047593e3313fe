package service

import (
	"fmt"
	"strings"
	"testing"
)

// Each hint of a service says whom it runs as, by name and number, and the real path, and is for root to type.
func (s *service) hints(t *testing.T) {
	const dir = "/var/lib/tunneld/.ssh/"
	uid := s.Do("stat", "-c", "%u", dir)
	asRoot := fmt.Sprintf("as root, for the service runs as tunneld (UID %s): ", uid)
	s.Do("sh", "-c", "cp "+dir+"id_ed25519 "+dir+"id_foreign && chown 4321 "+dir+"id_foreign && chmod 600 "+dir+"id_foreign")
	s.Do("sh", "-c", "cp -p "+dir+"id_ed25519 "+dir+"id_open && chmod 644 "+dir+"id_open && chown "+uid+" "+dir+"id_open")
	s.Do("sh", "-c", "cp -p "+dir+"known_hosts "+dir+"known_foreign && chown 4321 "+dir+"known_foreign && chmod 600 "+dir+"known_foreign")
	config := s.config("")
	for alias, lines := range map[string]string{
		"foreignkey":   "IdentityFile ~/.ssh/id_foreign\nIdentitiesOnly yes",
		"openkey":      "IdentityFile ~/.ssh/id_open\nIdentitiesOnly yes",
		"nokey":        "IdentityFile ~/.ssh/id_none\nIdentitiesOnly yes",
		"sealed":       "IdentityFile ~/.ssh/id_locked\nIdentitiesOnly yes",
		"stranger":     "UserKnownHostsFile ~/.ssh/known_none",
		"foreignknown": "UserKnownHostsFile ~/.ssh/known_foreign",
	} {
		config = fmt.Sprintf("Host %s\nDynamicForward 127.0.0.1:%d\n%s\n", alias, 7200+len(alias), lines) + config
	}
	s.Write(dir+"config", config)
	s.complains(t, "foreignkey", "permission denied", asRoot+"chown "+uid+" "+dir+"id_foreign", "it belongs to ")
	s.complains(t, "openkey", asRoot+"chmod 600 "+dir+"id_open")
	s.complains(t, "nokey", asRoot+"ssh-keygen -t ed25519 -N '' -f "+dir+"id_ed25519")
	s.complains(t, "sealed", "put the passphrase into /etc/credstore/tunneld.sealed")
	s.complains(t, "stranger", asRoot+"ssh-keyscan -p ", " >> "+dir+"known_none")
	s.complains(t, "foreignknown", "could not be read", asRoot+"chown "+uid+" "+dir+"known_foreign")
	s.complains(t, "changed", asRoot+"ssh-keygen -R ", " -f "+dir+"known_others")
	s.complains(t, "missing", "add a Host block with one to "+dir+"config: the service runs as tunneld (UID "+uid+")")

	s.Do("chown", "4321", dir+"config")
	s.Do("chmod", "600", dir+"config")
	s.complains(t, "hello", asRoot+"chown "+uid+" "+dir+"config")
	s.Do("chown", uid, dir+"config")
	s.Do("chmod", "620", dir+"config")
	s.complains(t, "hello", asRoot+"chmod go-w "+dir+"config")
	s.Do("chmod", "600", dir+"config")
	s.Write(dir+"config", s.config(""))
	s.Do("systemctl", "restart", "tunneld@hello")
	s.waitUp(t, "tunneld@hello")
}

// complains starts the tunnel of an alias, which has to fail for good and to say all that.
func (s *service) complains(t *testing.T, alias string, says ...string) {
	t.Helper()
	unit := "tunneld@" + alias
	_, from, _ := strings.Cut(s.Do("journalctl", "--show-cursor", "--lines=1", "-o", "cat"), "-- cursor: ")
	s.Try("systemctl", "restart", unit)
	s.WaitProperty(unit, "ActiveState", "failed", func(state string) bool { return state == "failed" })
	s.Do("journalctl", "--sync")
	text := s.Do("journalctl", "--unit="+unit, "--after-cursor="+from, "-o", "cat") // of one that is gone journald may not learn the invocation
	for _, want := range says {
		if !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), want) {
			t.Errorf("%s: no %q in\n%s", unit, want, text)
		}
	}
	s.Do("systemctl", "reset-failed", unit)
}
