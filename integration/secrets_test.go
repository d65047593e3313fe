package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The planted secrets, each to be seen by nobody but the one whom it is for.
const (
	plantedPassphrase = "planted-passphrase-of-the-target"
	plantedAnswer     = "planted-passphrase-that-is-asked-for"
	plantedPassword   = "planted-password-of-the-jump-host"
)

// encryptKey makes a key with a passphrase.
func encryptKey(t testing.TB, path, passphrase string) {
	t.Helper()
	need(t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", path)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, output)
	}
}

// A passphrase and a password run through all that tunneld does: a jump host with a password behind a ProxyCommand, another
// with a key whose passphrase SSH_ASKPASS gives, the target with a key whose passphrase is in a file, KnownHostsCommand and
// Match exec. Each server is sent what is for it, and nothing that a person or a program can read holds any of them.
func TestPlantedSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	need(t, "nc")
	l := newLab(t)
	a := l.account
	jump := startRecordingServer(t, plantedPassword, false, "password", "keyboard-interactive")
	middle := startRecordingServer(t, "", true, "password", "keyboard-interactive")
	os.Remove(a.path("id_ed25519"))
	encryptKey(t, a.path("id_target"), plantedPassphrase)
	encryptKey(t, a.path("id_middle"), plantedAnswer)
	public, err := os.ReadFile(a.path("id_target.pub"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, l.server.path("authorized_keys"), string(public))
	for name, secret := range map[string]string{"passphrase": plantedPassphrase, "password": plantedPassword, "answer": plantedAnswer} {
		writeFile(t, a.path(name), secret+"\n")
		os.Chmod(a.path(name), 0o600)
	}
	a.trust(jump.address, jump.hostKey)
	a.trust(middle.address, middle.hostKey)
	matcher := a.writeProgram("matcher", "exit 1")
	proxy := a.writeProgram("proxy", `exec nc "$@"`)
	asker := a.writeProgram("asker", "cat "+a.path("answer"))
	hosts := a.writeProgram("hosts", "exit 0")
	a.forget()
	a.host(alias, l.relay.port, "ProxyJump jump,middle", "TunneldPassphraseFile "+a.path("passphrase"), "IdentityFile "+a.path("id_target"),
		"KnownHostsCommand "+hosts+" %I %t %H", "ServerAliveInterval 1", "TunneldBackoffMax 1")
	a.host("jump", jump.port, "TunneldPasswordFile "+a.path("password"), "ProxyCommand "+proxy+" %h %p")
	a.host("middle", middle.port, "IdentityFile "+a.path("id_middle"))
	config, err := os.ReadFile(a.path("config"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, a.path("config"), fmt.Sprintf("Match exec \"%s %%n\"\n    Port 1\n%s", matcher, config))

	r := localRoute(t, startTarget(t, echo).address())
	listen := loopback(freePort(t))
	l.prefix = []string{"env", "SSH_ASKPASS=" + asker, "SSH_ASKPASS_REQUIRE=force"}
	c := l.open(tunneld, []route{r}, "--listen", listen)
	from := c.mark()
	l.relay.cut() // what is remembered serves a second time
	waitUp(t, c, from)
	l.waitWorking(c, r)

	shown := map[string]string{"the log": c.text(), "children": readFile(t, a.path("children")), "known_hosts": readFile(t, a.path("known_hosts"))}
	for _, path := range []string{"/", "/status", "/metrics", "/livez", "/readyz"} {
		answer, err := http.Get("http://" + listen + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		shown[path] = string(text)
	}
	for _, words := range []string{"status", "status --json", "health", "explain " + alias, "config " + alias, "check " + alias, "reconnect " + alias} {
		list := strings.Fields(words)
		if len(list) == 2 && list[1] == alias && list[0] != "reconnect" {
			list = append(list, "-F", a.path("config"))
		}
		shown[words], _ = a.ask(list...)
	}
	shown["command lines"] = wordsOfProcesses(t, c.pid())
	shown["the log afterwards"] = c.text()
	for what, text := range shown {
		if text == "" && what != "health" {
			t.Errorf("%s: nothing to look at", what)
		}
		for _, secret := range []string{plantedPassphrase, plantedAnswer, plantedPassword, "planted-pass"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: there is %q in it", what, secret)
			}
		}
	}
	for _, name := range []string{"matcher: ", "proxy: ", "asker: ", "hosts: "} {
		if !strings.Contains(shown["children"], name) {
			t.Errorf("%s has not run", name)
		}
	}
	sent := jump.received()
	if len(sent) < 2 || slices.ContainsFunc(sent, func(what string) bool { return what != "password: "+plantedPassword }) {
		t.Errorf("the jump host was sent %q", sent)
	}
	if sent := middle.received(); len(sent) > 0 {
		t.Errorf("the jump host that takes a key was sent %q", sent)
	}
}

// wordsOfProcesses gives those of a process and its children.
func wordsOfProcesses(t *testing.T, pid int) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		var state string
		var parent int
		fmt.Sscan(rest, &state, &parent)
		if directory := filepath.Dir(file); parent == pid || filepath.Base(directory) == fmt.Sprint(pid) {
			line, _ := os.ReadFile(directory + "/cmdline")
			text.Write(append(line, '\n'))
		}
	}
	return text.String()
}

// A jump host that asks for a password in every way there is gets neither the passphrase of the target's key nor, where that
// key is not mounted yet, a passphrase that nothing needs.
func TestPassphraseIsNotSentToAnyServer(t *testing.T) {
	for name, arrange := range map[string]func(a *account, jump int, file string) []string{
		"a jump host, systemd's credential": func(a *account, jump int, file string) []string {
			a.host(alias, 1, "ProxyJump jump", "IdentityFile "+a.path("id_locked"))
			a.host("jump", jump)
			return []string{"env", "CREDENTIALS_DIRECTORY=" + filepath.Dir(file)}
		},
		"a jump host, TunneldPassphraseFile for all": func(a *account, jump int, file string) []string {
			a.host(alias, 1, "ProxyJump jump", "TunneldPassphraseFile "+file, "IdentityFile "+a.path("id_locked"))
			a.host("jump", jump, "TunneldPassphraseFile "+file)
			return nil
		},
		"a key that is not mounted yet": func(a *account, jump int, file string) []string {
			a.host(alias, jump, "TunneldPassphraseFile "+file, "IdentityFile "+a.path("not-mounted"))
			return nil
		},
	} {
		for _, methods := range [][]string{{"password"}, {"keyboard-interactive"}, {"password", "keyboard-interactive"}} {
			t.Run(name+", "+strings.Join(methods, " and "), func(t *testing.T) {
				t.Parallel()
				a := newAccount(t)
				server := startRecordingServer(t, plantedPassphrase, false, methods...)
				a.trust(server.address, server.hostKey)
				os.Remove(a.path("id_ed25519"))
				encryptKey(t, a.path("id_locked"), plantedPassphrase)
				directory := t.TempDir()
				file := filepath.Join(directory, "passphrase")
				writeFile(t, file, plantedPassphrase+"\n")
				prefix := arrange(a, server.port, file)
				c := a.run(tunneld, slices.Concat(prefix, []string{a.binary(), "up", alias, "--log-level", "debug", "-F", a.path("config")}, forwarded(t)[1:]))
				if code := c.waitExit(t, patience); code != 3 {
					t.Errorf("exit code %d, want 3", code)
				}
				if sent := server.received(); len(sent) > 0 {
					t.Errorf("the server was sent %q", sent)
				}
				if strings.Contains(c.text(), plantedPassphrase) {
					t.Error("the passphrase was told")
				}
				if !strings.Contains(c.text(), "TunneldPasswordFile") {
					t.Error("the hint does not say what to call a password")
				}
			})
		}
	}
}
