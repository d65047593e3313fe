package autossh

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// sessionOf returns the process of the last command that said `pid=` at the server.
func sessionOf(t *testing.T, m *lab.Terminal) int {
	t.Helper()
	line := regexp.MustCompile(`pid=(\d+)\r`)
	lab.Eventually(t, lab.Patience, "the command says who it is", func() bool { return line.MatchString(m.Shown()) })
	all := line.FindAllStringSubmatch(m.Shown(), -1)
	pid, err := strconv.Atoi(all[len(all)-1][1])
	lab.Check(t, err)
	return pid
}

const waitingCommand = "echo·pid=$$;·exec·sleep·1000"

// However it ends, the terminal is as it was, and the command at the server has gone. autossh leaves a raw terminal, and ssh, where
// SIGQUIT or SIGABRT ends it.
func TestTerminalIsLeftAsItWasFound(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s := newStage(t)
	raw := func(t *testing.T, r *run, m *lab.Terminal) {
		lab.Eventually(t, lab.Patience, "the terminal is raw", m.IsRaw)
	}
	signalled := func(sent ...syscall.Signal) func(*testing.T, *run, *lab.Terminal) {
		return func(t *testing.T, r *run, m *lab.Terminal) {
			raw(t, r, m)
			for _, s := range sent {
				syscall.Kill(r.pid(), s)
			}
			for range 5 { // OpenSSH 9.2's ssh was seen to sleep through a signal
				if r.words[0] != "autossh" || lab.Within(2*time.Second, func() bool { return !r.lives() }) {
					return
				}
				lab.ProcessTree(r.pid()).Below().Signal(syscall.SIGTERM)
			}
		}
	}
	for name, c := range map[string]struct {
		line     string
		do       func(*testing.T, *run, *lab.Terminal)
		code     int // -1: a signal
		oursOnly bool
	}{
		"TERM":        {"AUTOSSH_GATETIME=0 -M 0 -t server " + waitingCommand, signalled(syscall.SIGTERM), 1, false},
		"INT":         {"AUTOSSH_GATETIME=0 -M 0 -t server " + waitingCommand, signalled(syscall.SIGINT), 1, true},
		"QUIT":        {"AUTOSSH_GATETIME=0 -M 0 -t server " + waitingCommand, signalled(syscall.SIGQUIT), 1, true},
		"ABRT":        {"AUTOSSH_GATETIME=0 -M 0 -t server " + waitingCommand, signalled(syscall.SIGABRT), -1, true},
		"gate":        {"-M 0 -t server echo·pid=$$;·read·x;·exit·3", func(t *testing.T, r *run, m *lab.Terminal) { raw(t, r, m); m.Type("\r") }, 1, false},
		"gate, cut":   {"-M 0 -t server " + waitingCommand, func(t *testing.T, r *run, m *lab.Terminal) { raw(t, r, m); r.relay.Cut() }, 1, false},
		"MAXSTART":    {"AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=1 -M 0 -t server " + waitingCommand, func(t *testing.T, r *run, m *lab.Terminal) { raw(t, r, m); r.relay.Cut() }, 0, false},
		"MAXLIFETIME": {"AUTOSSH_GATETIME=0 AUTOSSH_MAXLIFETIME=4 -M 0 -t server " + waitingCommand, raw, 0, true},
	} {
		for _, whose := range []string{"theirs", "ours"} {
			if c.oursOnly && whose == "theirs" {
				continue
			}
			t.Run(name+" "+whose, func(t *testing.T) {
				t.Parallel()
				r := s.run(t, scene{line: c.line}, whose)
				m := r.onTerminal(t)
				pid := sessionOf(t, m)
				c.do(t, r, m)
				if code := m.End(); code != c.code {
					t.Errorf("exit code %d, want %d", code, c.code)
				}
				lab.Eventually(t, lab.Patience, "the command at the server has ended", func() bool { return !lab.Lives(pid) })
				if whose == "ours" && name == "QUIT" && (strings.Contains(m.Shown(), "goroutine") || !strings.Contains(r.log(), "received signal to exit (3)")) {
					t.Error("it does not end with a line")
				}
			})
		}
	}
}

// The terminal is closed under a session: nobody is left to see it, and nothing stays. autossh has ssh go on, or starts it again, and
// so do we where there are forwards alone.
func TestSessionEndsWithItsTerminal(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	const line = "AUTOSSH_GATETIME=0 -M 0 -t server " + waitingCommand
	ends := func(t *testing.T, r *run) {
		t.Helper()
		lab.Eventually(t, lab.Patience, "it ends", func() bool { return !r.lives() })
		if strings.Count(r.log(), "received signal to exit (1)")+strings.Count(r.log(), "signalled to exit") != 1 {
			t.Error("the log does not say once why it ends")
		}
	}
	t.Run("up", func(t *testing.T) {
		t.Parallel()
		r := s.run(t, scene{line: line}, "ours")
		m := r.onTerminal(t)
		pid := sessionOf(t, m)
		if code := m.HangUp(); code != 1 {
			t.Errorf("exit code %d", code)
		}
		ends(t, r)
		lab.Eventually(t, lab.Patience, "the command at the server has ended", func() bool { return !lab.Lives(pid) })
	})
	t.Run("not told", func(t *testing.T) { // the signal goes to whoever leads the session
		t.Parallel()
		r := s.run(t, scene{line: line}, "ours")
		r.words = []string{"sh", "-c", "trap '' HUP; " + r.quoted() + "; true"}
		m := r.onTerminal(t)
		pid := sessionOf(t, m)
		m.Abandon()
		ends(t, r)
		lab.Eventually(t, lab.Patience, "the command at the server has ended", func() bool { return !lab.Lives(pid) })
	})
	t.Run("it waits", func(t *testing.T) {
		t.Parallel()
		r := s.run(t, scene{line: "AUTOSSH_POLL=3600 " + line}, "ours")
		r.relay.Shut()
		m := r.onTerminal(t)
		lab.Eventually(t, lab.Patience, "it waits", func() bool { return strings.Count(r.log(), "restarting ssh") >= 6 })
		m.HangUp()
		ends(t, r)
	})
	t.Run("a shell before it", func(t *testing.T) {
		t.Parallel()
		lab.Need(t, "bash")
		r := s.run(t, scene{line: line}, "ours")
		words := r.quoted()
		r.words = []string{"bash", "--norc", "--noprofile", "-i"}
		m := r.onTerminal(t)
		m.Type(words + "\r")
		pid := sessionOf(t, m)
		m.HangUp()
		ends(t, r)
		lab.Eventually(t, lab.Patience, "the command at the server has ended", func() bool { return !lab.Lives(pid) })
	})
	t.Run("autossh", func(t *testing.T) {
		t.Parallel()
		lab.Need(t, "ssh", "autossh")
		r := s.run(t, scene{line: line}, "theirs")
		m := r.onTerminal(t)
		sessionOf(t, m)
		m.Abandon()
		lab.Never(t, 2*time.Second, "autossh ends", func() bool { return !r.lives() })
	})
}

// The window has another size when the connection is back, and changes again.
func TestSizeOfTheWindowAfterARestart(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd")
	s := newStage(t)
	r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 -M 0 -t server trap·'stty·size'·WINCH;·stty·size;·while·:;·do·sleep·0.1;·done"}, "ours")
	m := r.onTerminal(t)
	m.Wait("24 80")
	m.Resize(111, 33)
	m.Wait("33 111")
	r.relay.Shut()
	r.relay.Cut()
	lab.Eventually(t, lab.Patience, "it notices", func() bool { return r.starts() >= 2 })
	m.Resize(100, 44)
	r.relay.Open()
	m.Wait("44 100")
	m.Resize(77, 22)
	m.Wait("22 77")
}

// SetEnv and SendEnv reach each session, as with ssh.
func TestVariablesReachTheSession(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s := newStage(t)
	own := *s
	own.server = lab.StartSSHD(t, "AcceptEnv LC_*")
	own.server.Authorize(own.account.Key)
	for _, whose := range []string{"theirs", "ours"} {
		r := own.run(t, scene{line: "AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=2 -M 0 -o SetEnv=LC_A=set -o SendEnv=LC_S* server echo·$LC_A·$LC_SENT;·exit·255"}, whose)
		r.environ = append(r.environ, "LC_SENT=sent", "LC_OTHER=other")
		if got := r.play("end"); got["out"] != "set sent\nset sent\n" || got["exit"] != "exit 0" {
			t.Errorf("%s: %q, %s", whose, got["out"], got["exit"])
		}
	}
}

// What ~? shows are lines of ssh's.
func TestHelpOfTheEscapeCharacter(t *testing.T) {
	t.Parallel()
	lab.Need(t, "sshd", "ssh", "autossh")
	s := newStage(t)
	shown := map[string][]string{}
	for _, whose := range []string{"theirs", "ours"} {
		r := s.run(t, scene{line: "AUTOSSH_GATETIME=0 AUTOSSH_MAXSTART=1 -M 0 -t server stty·-echo;·echo·$((6*7))nd;·cat"}, whose)
		m := r.onTerminal(t)
		m.Wait("42nd")
		lab.Eventually(t, lab.Patience, "the terminal is raw", m.IsRaw)
		m.Type("\r~?")
		m.Wait("immediately after newline.)")
		_, text, _ := strings.Cut(m.Shown(), "Supported escape sequences:")
		shown[whose] = strings.Split(strings.TrimSpace(text), "\r\n")
		m.Type("\r~.")
		if code := m.End(); code != 0 { // of the starts there may be
			t.Errorf("%s: exit code %d", whose, code)
		}
	}
	for _, line := range shown["ours"] {
		if !slices.ContainsFunc(shown["theirs"], func(said string) bool { return line == strings.TrimSuffix(said, " ssh") }) {
			t.Errorf("ssh does not say %q:\n%s", line, strings.Join(shown["theirs"], "\n"))
		}
	}
	if len(shown["ours"]) < 6 {
		t.Errorf("it says %q", shown["ours"])
	}
}
