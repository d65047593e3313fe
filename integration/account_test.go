package integration

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

// account is a person's ~/.ssh in a temporary directory: a key, known_hosts and a configuration file for -F.
type account struct {
	t    testing.TB
	dir  string
	user string
	key  ssh.PublicKey
}

func newAccount(t testing.TB) *account {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	a := &account{t: t, dir: t.TempDir(), user: me.Username}
	a.key = writeKey(t, a.path("id_ed25519"))
	writeFile(t, a.path("known_hosts"), "")
	writeFile(t, a.path("config"), "")
	return a
}

// trust puts a server's keys into known_hosts, in place of all others that are there for its address (host:port).
func (a *account) trust(address string, keys ...ssh.PublicKey) {
	a.t.Helper()
	host, port, _ := net.SplitHostPort(address)
	address = fmt.Sprintf("[%s]:%s", host, port)
	old, _ := os.ReadFile(a.path("known_hosts"))
	var text strings.Builder
	for l := range strings.Lines(string(old)) {
		if !strings.HasPrefix(l, address+" ") {
			text.WriteString(l)
		}
	}
	for _, key := range keys {
		fmt.Fprintf(&text, "%s %s", address, ssh.MarshalAuthorizedKey(key))
	}
	writeFile(a.t, a.path("known_hosts"), text.String())
}

// host adds an entry to the configuration: an alias for a port of 127.0.0.1. The lines win over what follows them.
func (a *account) host(alias string, port int, lines ...string) {
	a.t.Helper()
	text := "Host " + alias + "\n"
	for _, l := range append(lines,
		"HostName 127.0.0.1",
		fmt.Sprint("Port ", port),
		"User "+a.user,
		"IdentityFile "+a.path("id_ed25519"),
		"IdentitiesOnly yes",
		"UserKnownHostsFile "+a.path("known_hosts"),
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"IgnoreUnknown Tunneld*",
	) {
		text += "    " + l + "\n"
	}
	file, err := os.OpenFile(a.path("config"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text + "\n"); err != nil {
		a.t.Fatal(err)
	}
}

// forget empties the configuration.
func (a *account) forget() { writeFile(a.t, a.path("config"), "") }

func (a *account) path(name string) string { return filepath.Join(a.dir, name) }

// environment is what programs run with: nothing of the person's who runs the tests.
func (a *account) environment() []string {
	return []string{
		"HOME=" + a.dir,
		"PATH=" + os.Getenv("PATH"),
		"LANG=C",
		"TUNNELD_RUNTIME_DIR=" + a.path("run"),
		"GOTRACEBACK=all",
		"GORACE=atexit_sleep_ms=0",
		"AUTOSSH_GATETIME=0",
		"AUTOSSH_LOGFILE=/dev/stderr",
	}
}

// encrypt gives the account's key a passphrase.
func (a *account) encrypt() {
	a.t.Helper()
	need(a.t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", "-q", "-p", "-a", "1", "-P", "", "-N", secret, "-f", a.path("id_ed25519"))
	if output, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("ssh-keygen: %v\n%s", err, output)
	}
}

// ask runs one of the commands that talk to a running tunneld, and gives what it printed and its exit code.
func (a *account) ask(words ...string) (text string, code int) {
	a.t.Helper()
	c := a.tunneld(words...)
	code = c.waitExit(a.t, patience)
	return c.text(), code
}

// expect runs a command that has to end with code and to print what matches.
func (a *account) expect(code int, says string, words ...string) string {
	a.t.Helper()
	text, got := a.ask(words...)
	if got != code {
		a.t.Errorf("tunneld %s: exit code %d, want %d; it said\n%s", strings.Join(words, " "), got, code, text)
	}
	if !regexp.MustCompile(says).MatchString(text) {
		a.t.Errorf("tunneld %s says\n%swant %q", strings.Join(words, " "), text, says)
	}
	return text
}

func (a *account) status(words ...string) (s statusJSON) {
	a.t.Helper()
	text, _ := a.ask(append([]string{"status", "--json"}, words...)...)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		a.t.Fatalf("status --json says %q: %v", text, err)
	}
	return s
}

// names gives the tunnels that `tunneld status` shows.
func (a *account) names() (names []string) {
	for _, s := range a.status().Tunnels {
		names = append(names, s.Name)
	}
	return names
}

// writeProgram makes a shell script that notes its arguments and environment before it does what it is for.
func (a *account) writeProgram(name, script string) string {
	a.t.Helper()
	path, notes := a.path(name), a.path("children")
	writeFile(a.t, path, fmt.Sprintf("#!/bin/sh\n{ echo \"%s: $*\"; env; tr '\\0' ' ' < /proc/$$/cmdline; } >> %s\n%s\n", name, notes, script))
	if err := os.Chmod(path, 0o700); err != nil {
		a.t.Fatal(err)
	}
	return path
}
