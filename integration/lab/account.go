package lab

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Account is a person's ~/.ssh in a temporary directory: a key, known_hosts and a configuration file for -F.
type Account struct {
	t    testing.TB
	Dir  string
	User string
	Key  ssh.PublicKey
}

func NewAccount(t testing.TB) *Account {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	a := &Account{t: t, Dir: t.TempDir(), User: me.Username}
	a.Key = WriteKey(t, a.Path("id_ed25519"))
	WriteFile(t, a.Path("known_hosts"), "")
	WriteFile(t, a.Path("config"), "")
	return a
}

// Trust puts a server's keys into known_hosts, in place of all others that are there for its address (host:port).
func (a *Account) Trust(address string, keys ...ssh.PublicKey) {
	a.t.Helper()
	host, port, _ := net.SplitHostPort(address)
	address = fmt.Sprintf("[%s]:%s", host, port)
	old, _ := os.ReadFile(a.Path("known_hosts"))
	var text strings.Builder
	for l := range strings.Lines(string(old)) {
		if !strings.HasPrefix(l, address+" ") {
			text.WriteString(l)
		}
	}
	for _, key := range keys {
		fmt.Fprintf(&text, "%s %s", address, ssh.MarshalAuthorizedKey(key))
	}
	WriteFile(a.t, a.Path("known_hosts"), text.String())
}

// Host adds an entry to the configuration: an alias for a port of 127.0.0.1. The lines win over what follows them.
func (a *Account) Host(alias string, port int, lines ...string) {
	a.t.Helper()
	text := "Host " + alias + "\n"
	for _, l := range append(lines,
		"HostName 127.0.0.1",
		fmt.Sprint("Port ", port),
		"User "+a.User,
		"IdentityFile "+a.Path("id_ed25519"),
		"IdentitiesOnly yes",
		"UserKnownHostsFile "+a.Path("known_hosts"),
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"IgnoreUnknown Tunneld*",
	) {
		text += "    " + l + "\n"
	}
	file, err := os.OpenFile(a.Path("config"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text + "\n"); err != nil {
		a.t.Fatal(err)
	}
}

// Forget empties the configuration.
func (a *Account) Forget() { WriteFile(a.t, a.Path("config"), "") }

func (a *Account) Path(name string) string { return filepath.Join(a.Dir, name) }

// Environment is what programs run with: nothing of the person's who runs the tests.
func (a *Account) Environment() []string {
	return []string{
		"HOME=" + a.Dir,
		"PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8",
		"TUNNELD_RUNTIME_DIR=" + a.Path("run"),
		"GOTRACEBACK=all",
		"GORACE=atexit_sleep_ms=0",
		"AUTOSSH_GATETIME=0",
		"AUTOSSH_LOGFILE=/dev/stderr",
	}
}

// Encrypt returns the account's key a passphrase.
func (a *Account) Encrypt() {
	a.t.Helper()
	Need(a.t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", Secret, "-f", a.Path("id_ed25519"))
	if output, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("ssh-keygen: %v\n%s", err, output)
	}
}

// Ask runs one of the commands that talk to a running tunneld, and returns what it printed and its exit code.
func (a *Account) Ask(words ...string) (text string, code int) {
	a.t.Helper()
	c := a.Tunneld(words...)
	code = c.WaitExit(a.t, Patience)
	return c.Text(), code
}

// Expect runs a command that has to end with code and to print what matches.
func (a *Account) Expect(code int, says string, words ...string) string {
	a.t.Helper()
	text, got := a.Ask(words...)
	if got != code {
		a.t.Errorf("tunneld %s: exit code %d, want %d; it said\n%s", strings.Join(words, " "), got, code, text)
	}
	if !regexp.MustCompile(says).MatchString(text) {
		a.t.Errorf("tunneld %s says\n%swant %q", strings.Join(words, " "), text, says)
	}
	return text
}

func (a *Account) Status(words ...string) (s statusJSON) {
	a.t.Helper()
	text, _ := a.Ask(append([]string{"status", "--json"}, words...)...)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		a.t.Fatalf("status --json says %q: %v", text, err)
	}
	return s
}

// Names returns the tunnels that `tunneld status` shows.
func (a *Account) Names() (names []string) {
	for _, s := range a.Status().Tunnels {
		names = append(names, s.Name)
	}
	return names
}

// WriteProgram makes a shell script that notes its arguments and environment before it does what it is for.
func (a *Account) WriteProgram(name, script string) string {
	a.t.Helper()
	path, notes := a.Path(name), a.Path("children")
	WriteFile(a.t, path, fmt.Sprintf("#!/bin/sh\n{ echo \"%s: $*\"; env; tr '\\0' ' ' < /proc/$$/cmdline; } >> %s\n%s\n", name, notes, script))
	if err := os.Chmod(path, 0o700); err != nil {
		a.t.Fatal(err)
	}
	return path
}
