package master

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// shellOn starts a shell on a terminal.
func shellOn(t *testing.T, s *side) *lab.Terminal {
	t.Helper()
	lab.Need(t, "bash")
	m := lab.NewTerminal(t, 200, 50, nil)
	cmd := s.client(t.Context(), "bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(cmd.Env, "TERM=vt100", "HISTFILE=")
	m.Start(cmd)
	return m
}

// up is what is typed to start tunneld, and where its process ID goes.
func (s *side) up() (line, pidFile string) {
	pidFile = s.Account.Path("pid")
	return fmt.Sprintf("%s up %s -F %s --pidfile %s", s.Account.Binary(), lab.Alias, s.Account.Path("config"), pidFile), pidFile
}

// inShell starts `tunneld up alias &` in a shell on a terminal, and returns the terminal and tunneld's process ID.
func inShell(t *testing.T, s *side) (m *lab.Terminal, pid int) {
	t.Helper()
	m = shellOn(t, s)
	line, file := s.up()
	m.Type(line + " &\r")
	lab.Eventually(t, lab.Patience, "tunneld listens on the ControlPath", func() bool { return fileExists(s.socket) })
	text, err := os.ReadFile(file)
	if err == nil {
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if fileExists(file) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	lab.Eventually(t, lab.Patience, "it is up", func() bool {
		_, code := s.Account.Ask("health", lab.Alias)
		return code == 0
	})
	return m, pid
}

// `ssh -W` reads the terminal of the shell that tunneld is in the background of: that does not stop tunneld.
func TestStdioForwardInTheShellOfTunneld(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	heard, welcome := make(chan string, 1), "welcome to the target"
	target := lab.StartTarget(t, func(conn *net.TCPConn) {
		fmt.Fprintln(conn, welcome)
		line, _ := bufio.NewReader(conn).ReadString('\n')
		heard <- line
	})
	m, _ := inShell(t, s)
	m.Type(fmt.Sprintf("ssh -F %s -W %s %s\r", s.Account.Path("config"), target.Address(), lab.Alias))
	m.Wait(welcome)
	m.Type("typed here\r")
	lab.Eventually(t, lab.Patience, "what is typed arrives", func() bool { return len(heard) > 0 })
	if line := <-heard; line != "typed here\n" {
		t.Errorf("the target has read %q", line)
	}
	if count := s.Relay.Count(); count != 1 {
		t.Errorf("%d connections: the client did not ride", count)
	}
	s.Account.Expect(0, "stopped", "down", lab.Alias)
}

// A tunneld that has let go of its terminal for a client still reloads by SIGHUP, and ends with the terminal.
func TestHangUpAfterAClientOfTheSameShell(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	m, pid := inShell(t, s)
	m.Type(fmt.Sprintf("ssh -F %s %s 'expr 7000000 + 1234567; read x; expr $x + 1'\r", s.Account.Path("config"), lab.Alias))
	m.Wait("8234567")
	m.Type("9000000\r")
	m.Wait("9000001")
	lab.Check(t, syscall.Kill(pid, syscall.SIGHUP))
	m.Wait("configuration reloaded")
	s.Account.Expect(0, "", "health", lab.Alias)
	m.HangUp()
	lab.Eventually(t, lab.Patience, "it has ended with the terminal", func() bool {
		text, _ := s.Account.Ask("status")
		return strings.Contains(text, "no tunnel is running")
	})
}

// foreground is what a person is told who could be asked elsewhere.
const foreground = "or start it in the foreground of a terminal, where it asks (`tunneld up -f` asks, and goes into the background then)"

// In the background nobody can be asked for a passphrase: a tunnel that needs one from the start ends, and says what to do.
func TestPassphraseInTheBackground(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	s.Account.Encrypt()
	m := shellOn(t, s)
	line, _ := s.up()
	m.Type(line + " &\r")
	m.Wait(foreground)
	m.Type("wait $!; echo ended with $?\r")
	m.Wait("ended with 3")
	if shown := m.Shown(); !strings.Contains(shown, "encrypted, and there is no passphrase") || !strings.Contains(shown, "ssh-add ") {
		t.Error("the reason is not told, or what to do")
	}
}

// A person who puts tunneld into the background while it asks has left: the tunnel does not stop there (SIGTTIN), with all that
// ride on it.
func TestQuestionThatIsPutIntoTheBackground(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t))
	s.Account.Encrypt()
	m := shellOn(t, s)
	line, _ := s.up()
	m.Type(line + "\r")
	m.Wait("Enter passphrase for key")
	m.Type("\x1a")
	m.Wait("Stopped")
	m.Type("bg\r")
	m.Wait(foreground)
	m.Type("wait; echo ended, and $((1233 + 1))\r")
	m.Wait("ended, and 1234")
}

// A tunnel that comes to need a passphrase when its terminal is out of reach, here because a client of the same shell has it,
// tells why it is down, and what to do; clients are told where to look; and it comes back when that is done.
func TestPassphraseThatIsNeededLater(t *testing.T) {
	t.Parallel()
	s := newSide(t, lab.Tunneld, lab.StartSSHD(t), "TunneldHold 1s", "TunneldBackoffMax 1s")
	m, _ := inShell(t, s)
	m.Type(strings.Join(s.words(lab.Alias, "expr 7000000 + 1234567"), " ") + "\r")
	m.Wait("8234567")
	s.Account.Encrypt()
	s.Relay.Cut()
	m.Wait(foreground)
	a := s.ssh(t, "", "-oBatchMode=yes", lab.Alias, "true")
	if a.code != 255 || !strings.Contains(a.err, "within the hold time; `tunneld status server` says why") {
		t.Errorf("a client: %v", a)
	}
	s.expect(t, 0, "encrypted, and there is no passphrase", "status", lab.Alias)
	s.expect(t, 0, foreground, "status", "--json", lab.Alias)
	s.must(t, "", "ssh-keygen", "-q", "-p", "-P", lab.Secret, "-N", "", "-f", s.Account.Path("id_ed25519"))
	s.Account.Expect(0, "connected", "reconnect", lab.Alias)
	s.must(t, "", s.words(lab.Alias, "true")...)
	s.Account.Expect(0, "stopped", "down", lab.Alias)
}
