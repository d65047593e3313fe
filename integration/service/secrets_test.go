package service

import (
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	lab.Need(t, "ssh-keygen")
	cmd := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", path)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, output)
	}
}

// A passphrase and a password run through all that tunneld does: a jump host with a password behind a ProxyCommand, another
// with a key whose passphrase comes from SSH_ASKPASS, the target with a key whose passphrase is in a file, KnownHostsCommand and
// Match exec. Each server is sent what is for it, and nothing that a person or a program can read holds any of them.
func TestPlantedSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	lab.Need(t, "nc")
	l := lab.New(t)
	a := l.Account
	jump := lab.StartRecordingServer(t, plantedPassword, false, "password", "keyboard-interactive")
	middle := lab.StartRecordingServer(t, "", true, "password", "keyboard-interactive")
	os.Remove(a.Path("id_ed25519"))
	encryptKey(t, a.Path("id_target"), plantedPassphrase)
	encryptKey(t, a.Path("id_middle"), plantedAnswer)
	public, err := os.ReadFile(a.Path("id_target.pub"))
	if err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, l.Server.Path("authorized_keys"), string(public))
	for name, secret := range map[string]string{"passphrase": plantedPassphrase, "password": plantedPassword, "answer": plantedAnswer} {
		lab.WriteFile(t, a.Path(name), secret+"\n")
		os.Chmod(a.Path(name), 0o600)
	}
	a.Trust(jump.Address, jump.HostKey)
	a.Trust(middle.Address, middle.HostKey)
	matcher := a.WriteProgram("matcher", "exit 1")
	proxy := a.WriteProgram("proxy", `exec nc "$@"`)
	asker := a.WriteProgram("asker", "cat "+a.Path("answer"))
	hosts := a.WriteProgram("hosts", "exit 0")
	a.Forget()
	a.Host(lab.Alias, l.Relay.Port, "ProxyJump jump,middle", "TunneldPassphraseFile "+a.Path("passphrase"), "IdentityFile "+a.Path("id_target"),
		"KnownHostsCommand "+hosts+" %I %t %H", "ServerAliveInterval 1", "TunneldBackoffMax 1")
	a.Host("jump", jump.Port, "TunneldPasswordFile "+a.Path("password"), "ProxyCommand "+proxy+" %h %p")
	a.Host("middle", middle.Port, "IdentityFile "+a.Path("id_middle"))
	config, err := os.ReadFile(a.Path("config"))
	if err != nil {
		t.Fatal(err)
	}
	lab.WriteFile(t, a.Path("config"), fmt.Sprintf("Match exec \"%s %%n\"\n    Port 1\n%s", matcher, config))

	r := lab.LocalRoute(t, lab.StartTarget(t, lab.Echo).Address())
	listen := lab.Loopback(lab.FreePort(t))
	l.Prefix = []string{"env", "SSH_ASKPASS=" + asker, "SSH_ASKPASS_REQUIRE=force"}
	c := l.Open(lab.Tunneld, []lab.Route{r}, "--listen", listen)
	from := c.Mark()
	l.Relay.Cut() // what is remembered serves a second time
	lab.WaitUp(t, c, from)
	l.WaitWorking(c, r)

	shown := map[string]string{"the log": c.Text(), "children": lab.ReadFile(t, a.Path("children")), "known_hosts": lab.ReadFile(t, a.Path("known_hosts"))}
	for _, path := range []string{"/", "/status", "/metrics", "/livez", "/readyz"} {
		answer, err := http.Get("http://" + listen + path)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		shown[path] = string(text)
	}
	for _, words := range []string{"status", "status --json", "health", "explain " + lab.Alias, "config " + lab.Alias, "check " + lab.Alias, "reconnect " + lab.Alias} {
		list := strings.Fields(words)
		if len(list) == 2 && list[1] == lab.Alias && list[0] != "reconnect" {
			list = append(list, "-F", a.Path("config"))
		}
		shown[words], _ = a.Ask(list...)
	}
	shown["command lines"] = wordsOfProcesses(t, c.Pid())
	shown["the log afterwards"] = c.Text()
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
	sent := jump.Received()
	if len(sent) < 2 || slices.ContainsFunc(sent, func(what string) bool { return what != "password: "+plantedPassword }) {
		t.Errorf("the jump host was sent %q", sent)
	}
	if sent := middle.Received(); len(sent) > 0 {
		t.Errorf("the jump host that takes a key was sent %q", sent)
	}
}

// wordsOfProcesses returns those of a process and its children.
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
	for name, arrange := range map[string]func(a *lab.Account, jump int, file string) []string{
		"a jump host, systemd's credential": func(a *lab.Account, jump int, file string) []string {
			a.Host(lab.Alias, 1, "ProxyJump jump", "IdentityFile "+a.Path("id_locked"))
			a.Host("jump", jump)
			return []string{"env", "CREDENTIALS_DIRECTORY=" + filepath.Dir(file)}
		},
		"a jump host, TunneldPassphraseFile for all": func(a *lab.Account, jump int, file string) []string {
			a.Host(lab.Alias, 1, "ProxyJump jump", "TunneldPassphraseFile "+file, "IdentityFile "+a.Path("id_locked"))
			a.Host("jump", jump, "TunneldPassphraseFile "+file)
			return nil
		},
		"a key that is not mounted yet": func(a *lab.Account, jump int, file string) []string {
			a.Host(lab.Alias, jump, "TunneldPassphraseFile "+file, "IdentityFile "+a.Path("not-mounted"))
			return nil
		},
	} {
		for _, methods := range [][]string{{"password"}, {"keyboard-interactive"}, {"password", "keyboard-interactive"}} {
			t.Run(name+", "+strings.Join(methods, " and "), func(t *testing.T) {
				t.Parallel()
				a := lab.NewAccount(t)
				server := lab.StartRecordingServer(t, plantedPassphrase, false, methods...)
				a.Trust(server.Address, server.HostKey)
				os.Remove(a.Path("id_ed25519"))
				encryptKey(t, a.Path("id_locked"), plantedPassphrase)
				directory := t.TempDir()
				file := filepath.Join(directory, "passphrase")
				lab.WriteFile(t, file, plantedPassphrase+"\n")
				prefix := arrange(a, server.Port, file)
				c := a.Run(lab.Tunneld, slices.Concat(prefix, []string{a.Binary(), "up", lab.Alias, "--log-level", "debug", "-F", a.Path("config")}, lab.Forwarded(t)[1:]))
				if code := c.WaitExit(t, lab.Patience); code != 3 {
					t.Errorf("exit code %d, want 3", code)
				}
				if sent := server.Received(); len(sent) > 0 {
					t.Errorf("the server was sent %q", sent)
				}
				if strings.Contains(c.Text(), plantedPassphrase) {
					t.Error("the passphrase was told")
				}
				if !strings.Contains(c.Text(), "TunneldPasswordFile") {
					t.Error("the hint does not say what to call a password")
				}
			})
		}
	}
}
