package autossh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

const question = "Enter passphrase for key '"

// locked prepares -f with a key that needs a passphrase, with a person who can be asked for it, and with more options.
func (s *stage) locked(t *testing.T, more ...string) *run {
	t.Helper()
	lab.Need(t, "ssh-keygen")
	own := *s
	own.account = lab.NewAccount(t)
	s.server.Authorize(own.account.Key)
	own.account.Encrypt()
	r := own.run(t, scene{line: "-f -M 0 -N " + strings.Join(more, " ") + " -L {L}:127.0.0.1:{ECHO} server"}, "ours")
	config := filepath.Join(r.dir, "config")
	lab.WriteFile(t, config, strings.Replace(string(readFile(config)), "  BatchMode yes\n", "", 1))
	return r
}

// What a person sees and types at the terminal where -f meets a key with a passphrase.
func TestPassphraseAtTheTerminal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for name, test := range map[string]func(*testing.T, *run){
		"typed": testTyped, "typed at the third try": testThirdTry, "three wrong ones": testThreeWrong, "none": testNone, "Ctrl-C": testInterrupted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.locked(t)
			test(t, r)
			if strings.Contains(r.log(), lab.Secret) {
				t.Error("the passphrase is in the log")
			}
		})
	}
}

// answer types one answer after the other, each when it is asked for.
func answer(t *testing.T, m *lab.Terminal, answers ...string) {
	t.Helper()
	for i, text := range answers {
		lab.Eventually(t, lab.Patience, "it asks", func() bool { return strings.Count(m.Shown(), question) > i })
		m.Type(text + "\r")
	}
}

func testTyped(t *testing.T, r *run) {
	m := r.onTerminal(t)
	answer(t, m, lab.Secret)
	if code := m.End(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	r.do(t, "up cut again USR1 again")
	if shown := m.Shown(); strings.Count(shown, question) != 1 || strings.Contains(shown, lab.Secret) {
		t.Errorf("the screen shows %q", shown)
	}
	if r.pid() == r.cmd.Process.Pid {
		t.Error("it is still the process that the person has started")
	}
	if fields := strings.Fields(string(readFile(filepath.Join("/proc", strings.TrimSpace(r.file("pid")), "stat")))); fields[6] != "0" {
		t.Errorf("it has a terminal: %q", fields)
	}
}

func testThirdTry(t *testing.T, r *run) {
	m := r.onTerminal(t)
	answer(t, m, "a mistake", "another", lab.Secret)
	if code := m.End(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	r.do(t, "up")
	if shown := m.Shown(); strings.Contains(shown, "mistake") || !strings.Contains(shown, "wrong passphrase") {
		t.Errorf("the screen shows %q", shown)
	}
}

// Behind -f nobody could be asked any more, and there is no other key.
func testThreeWrong(t *testing.T, r *run) {
	m := r.onTerminal(t)
	answer(t, m, "one", "two", "three")
	r.refused(t, m, "wrong passphrase")
	if n := strings.Count(m.Shown(), question); n != 3 {
		t.Errorf("asked %d times", n)
	}
}

func testNone(t *testing.T, r *run) {
	m := r.onTerminal(t)
	answer(t, m, "")
	r.refused(t, m, "no passphrase")
}

// refused checks that nothing goes to the background, and that the person is told why.
func (r *run) refused(t *testing.T, m *lab.Terminal, why string) {
	t.Helper()
	if code := m.End(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	m.Wait(why)
	m.Wait("hint: ")
	r.leavesNothing(t)
}

// leavesNothing checks that no process and no pid file is there.
func (r *run) leavesNothing(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(r.dir, "pid")); err == nil {
		t.Error("there is a pid file")
	}
	if lab.Accepts(lab.Loopback(r.ports["L"])) {
		t.Error("somebody listens")
	}
	if r.starts() != 0 {
		t.Errorf("%d starts", r.starts())
	}
}

func testInterrupted(t *testing.T, r *run) {
	m := r.onTerminal(t)
	lab.Eventually(t, lab.Patience, "it asks", func() bool { return strings.Contains(m.Shown(), question) })
	m.Type("\x03")
	if code := m.End(); code == 0 {
		t.Error("exit code 0")
	}
	r.leavesNothing(t)
}

// A job at boot has its passphrase from a file that the configuration names, or from a credential of its systemd unit: of this host,
// or for any key. The secret is nowhere else afterwards.
func TestPassphraseFromItsSources(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for name, c := range map[string]struct{ option, file string }{
		"TunneldPassphraseFile": {"-o TunneldPassphraseFile={DIR}/secret", "secret"}, "a credential of the host": {"", "passphrase.server"}, "a credential": {"", "passphrase"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.locked(t, c.option)
			lab.WriteFile(t, filepath.Join(r.dir, c.file), lab.Secret+"\n")
			if c.option == "" {
				r.environ = append(r.environ, "CREDENTIALS_DIRECTORY="+r.dir)
			}
			lab.Check(t, r.start())
			t.Cleanup(r.clean)
			r.exits(t, 0)
			r.do(t, "up cut again")
			seen := []string{r.log(), r.file("err"), r.file("out")}
			for _, name := range []string{"cmdline", "environ"} {
				seen = append(seen, string(readFile(filepath.Join("/proc", strings.TrimSpace(r.file("pid")), name))))
			}
			for _, text := range seen {
				if strings.Contains(text, lab.Secret) {
					t.Errorf("the passphrase is in %q", text)
				}
			}
		})
	}
}

// The key of a jump host is unlocked before -f leaves the terminal as well, and once for all connections.
func TestPassphraseOfAJumpHost(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	r := s.locked(t, "-o ProxyJump=jump", "-i "+s.account.Path("id_ed25519"))
	config := filepath.Join(r.dir, "config")
	text := string(readFile(config))
	target := strings.Replace(text, "Host server sshproxy", "Host jump", 1)
	server, _, _ := strings.Cut(text, "  IdentityFile")
	lab.WriteFile(t, config, strings.Replace(target, "Host dead", server+"  UserKnownHostsFile "+filepath.Join(r.dir, "known_hosts")+"\n  GlobalKnownHostsFile /dev/null\nHost dead", 1))
	m := r.onTerminal(t)
	answer(t, m, lab.Secret)
	if code := m.End(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	r.do(t, "up cut again")
	if shown := m.Shown(); strings.Count(shown, question) != 1 || strings.Contains(shown+r.log(), lab.Secret) {
		t.Errorf("the screen shows %q", shown)
	}
}

// At boot nobody is there: -f asks nobody and waits for nobody, and the log says what is missing.
func TestPassphraseWithoutATerminal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	r := newStage(t).locked(t)
	lab.Check(t, r.start())
	t.Cleanup(r.clean)
	r.exits(t, 0)
	lab.Eventually(t, lab.Patience, "the log says what is missing", func() bool {
		return strings.Contains(r.log(), "Permission denied (publickey") && strings.Contains(r.log(), "no passphrase") && strings.Contains(r.log(), "TunneldPassphraseFile")
	})
}
