package autossh

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// hanging is a run whose configuration is never read to its end: a command of Match exec hangs.
func hanging(t *testing.T, s *stage, change ...func(*run)) *run {
	t.Helper()
	r := s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server", append(change, func(r *run) {
		started := filepath.Join(r.dir, "started")
		text := fmt.Sprintf("Match exec \"touch %s; exec sleep 600\"\n", started) + string(readFile(filepath.Join(r.dir, "config")))
		lab.WriteFile(t, filepath.Join(r.dir, "config"), text)
	})...)
	lab.Eventually(t, lab.Patience, "the configuration is being read", func() bool { return exists(filepath.Join(r.dir, "started")) })
	return r
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A Ctrl-C, or the stop of a unit, while -f still reads its configuration left a process behind of which nobody knew.
func TestSignalToTheFirstProcessEndsTheSecond(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			r := hanging(t, s)
			tree := lab.ProcessTree(r.cmd.Process.Pid)
			if len(tree) < 2 {
				t.Fatalf("there is no second process: %v", tree)
			}
			r.cmd.Process.Signal(syscall.SIGUSR1) // there is nothing yet that could be made anew
			r.cmd.Process.Signal(signal)
			r.exits(t, 1)
			lab.Eventually(t, lab.Patience, "nothing is left", func() bool {
				for _, p := range tree.Below() {
					if lab.Lives(p.Pid) {
						return false
					}
				}
				return true
			})
		})
	}
}

// What Go says of a crash went to standard error, which is /dev/null behind -f.
func TestCrashLeavesATrace(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	const line = "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server"
	crash := func(t *testing.T, r *run) {
		t.Helper()
		r.exits(t, 0)
		r.do(t, "up")
		syscall.Kill(r.pid(), syscall.SIGABRT)
		r.do(t, "gone")
	}
	t.Run("in the log", func(t *testing.T) {
		t.Parallel()
		r := s.begin(t, line)
		crash(t, r)
		if !strings.Contains(r.log(), "SIGABRT: abort") || !strings.Contains(r.log(), "goroutine ") {
			t.Error("the log says nothing of it")
		}
	})
	t.Run("in ssh's log", func(t *testing.T) {
		t.Parallel()
		r := s.begin(t, "-E {DIR}/ssh.log "+line, withoutLog)
		crash(t, r)
		if text := r.file("ssh.log"); !strings.Contains(text, "SIGABRT: abort") {
			t.Errorf("the file of -E has %q", text)
		}
	})
	t.Run("for tunneld log", func(t *testing.T) {
		t.Parallel()
		r := s.begin(t, line, withoutLog)
		crash(t, r)
		if text, _ := r.tunneld(t, "log", "server"); !strings.Contains(text, "SIGABRT: abort") {
			t.Errorf("tunneld log has %q", text)
		}
		again := s.begin(t, line, withoutLog)
		again.exits(t, 0)
		again.do(t, "up TERM gone")
		if left, _ := os.ReadDir(filepath.Join(again.dir, "run")); len(left) > 0 {
			t.Errorf("an end in good order leaves %v", left)
		}
	})
}

// nohup has the end of the terminal ignored, also by the process that waits.
func TestFirstProcessUnderNohup(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "nohup")
	s := newStage(t)
	r := hanging(t, s, func(r *run) { r.words = append([]string{"nohup"}, r.words...) })
	r.cmd.Process.Signal(syscall.SIGHUP)
	r.do(t, "settle")
	if r.ended() {
		t.Error("it has ended")
	}
	r.cmd.Process.Signal(syscall.SIGTERM)
	r.exits(t, 1)
}

// The terminal that is there when -f begins is not there when the session does.
func TestShellInTheBackgroundHasNoTerminal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "script")
	s := newStage(t)
	r := s.begin(t, "-f -M 0 server", typescript).do(t, "end")
	lab.Eventually(t, lab.Patience, "the log says so", func() bool { return strings.Contains(r.log(), "Pseudo-terminal will not be allocated") })
}

// withoutLog leaves AUTOSSH_LOGFILE out.
func withoutLog(r *run) {
	var kept []string
	for _, pair := range r.environ {
		if !strings.HasPrefix(pair, "AUTOSSH_LOGFILE=") {
			kept = append(kept, pair)
		}
	}
	r.environ = kept
}

// With CanonicalizeHostname and a name server that does not answer, -f never came back: rc.local and with it the boot hung.
func TestBackgroundDoesNotWaitForANameServer(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "unshare", "mount")
	n := lab.NewNetwork(t)
	s := newStage(t)
	silent := n.SilentDNS()
	r := s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} bastion", func(r *run) {
		resolv := filepath.Join(r.dir, "resolv.conf")
		lab.WriteFile(t, resolv, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
		lab.WriteFile(t, filepath.Join(r.dir, "config"), "CanonicalizeHostname yes\nCanonicalDomains example\nCanonicalizeFallbackLocal no\nConnectTimeout 1\n")
		r.words = append([]string{"ip", "netns", "exec", n.Client, "unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, resolv, r.words[0],
			"-F", filepath.Join(r.dir, "config")}, r.words[1:]...)
	})
	lab.Eventually(t, 2*lab.Patience, "the first process ends", r.ended)
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if text := r.file("err"); !strings.Contains(text, "waiting for a name server to resolve bastion.example") || !strings.Contains(text, "goes on in the background") {
		t.Errorf("it does not say what it waits for: %q", text)
	}
	if !r.lives() || r.starts() != 0 {
		t.Fatal("the second process does not wait in the background")
	}
	silent.Close()
	names := n.DnsServer("")
	names.Move(netip.MustParseAddr("127.0.0.1"))
	lab.Eventually(t, 2*lab.Patience, "it goes on when the name is known", func() bool { return r.starts() > 0 })
	r.do(t, "TERM gone")
}

// Where there is no way into the background, whoever is at the terminal is told.
func TestWhyThereIsNoBackground(t *testing.T) {
	t.Parallel()
	lab.NeedRoot(t, "mounting")
	lab.Need(t, "sshd", "unshare", "mount")
	if exec.Command("unshare", "--mount", "true").Run() != nil {
		t.Skip("needs mount namespaces")
	}
	s := newStage(t)
	r := s.begin(t, "-f -M 0 -N -L {L}:127.0.0.1:{ECHO} server", func(r *run) {
		r.words = []string{"unshare", "--mount", "sh", "-c", "mount -t tmpfs none /dev && exec " + r.quoted()}
	})
	r.exits(t, 1)
	if text := r.file("err"); !strings.Contains(text, "run as daemon failed: ") {
		t.Errorf("it says %q", text)
	}
}

// A process in the background is asked to end while no local port is to be had.
func TestControlWhileALocalPortIsTaken(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	r := s.begin(t, "AUTOSSH_POLL=3600 -f -M 0 -N -o ExitOnForwardFailure=yes -L {TAKEN}:127.0.0.1:{ECHO} server")
	r.exits(t, 0)
	lab.Eventually(t, lab.Patience, "it waits", func() bool { return strings.Count(r.log(), "restarting ssh") >= 6 })
	taken := fmt.Sprint(":", r.ports["TAKEN"])
	lab.Eventually(t, lab.Patience, "the status shows what it waits for", func() bool {
		text, _ := r.tunneld(t, "status", "--json")
		return strings.Contains(text, `"state": "waiting"`) && strings.Contains(text, taken) && strings.Contains(text, "address already in use")
	})
	if text, code := r.tunneld(t, "log", "server"); code != 0 || !strings.Contains(text, "WRN connecting failed: ") || !strings.Contains(text, taken) {
		t.Errorf("log ends with %d and says\n%s", code, text)
	}
	if text, code := r.tunneld(t, "health", "server"); code != 1 {
		t.Errorf("health ends with %d and says\n%s", code, text)
	}
	if text, code := r.tunneld(t, "down", "server"); code != 0 {
		t.Errorf("down ends with %d and says\n%s", code, text)
	}
	r.do(t, "gone")
}

// The events of an autossh were those of its forwards alone.
func TestLogOfARunningAutossh(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	r := s.begin(t, "AUTOSSH_GATETIME=0 -M 0 -N -L {L}:127.0.0.1:{ECHO} server").do(t, "up cut again")
	text, code := r.tunneld(t, "log", "server")
	for _, words := range []string{"INF connected", "WRN connection lost: ", "INF reconnected"} {
		if code != 0 || !strings.Contains(text, words) {
			t.Errorf("log ends with %d and lacks %q:\n%s", code, words, text)
		}
	}
	if text, _ := r.tunneld(t, "status", "server"); strings.Count(text, "reconnected") == 0 {
		t.Errorf("the status shows no events:\n%s", text)
	}
}

// tunneld runs one of tunneld's own commands where r has its control socket.
func (r *run) tunneld(t *testing.T, words ...string) (text string, code int) {
	t.Helper()
	program, err := filepath.EvalSymlinks(r.program())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, words...)
	cmd.Env, cmd.Dir = r.environ, r.dir
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// program returns the link that was started.
func (r *run) program() string {
	for _, word := range r.words {
		if filepath.Base(word) == "autossh" {
			return word
		}
	}
	return r.words[0]
}
