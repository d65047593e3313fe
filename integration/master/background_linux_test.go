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

// inShell starts `tunneld up alias &` in a shell on a terminal, and returns the terminal and tunneld's process ID.
func inShell(t *testing.T, s *side) (m *lab.Terminal, pid int) {
	t.Helper()
	lab.Need(t, "bash")
	m = lab.NewTerminal(t, 200, 50, nil)
	cmd := s.client(t.Context(), "bash", "--norc", "--noprofile", "-i")
	cmd.Env = append(cmd.Env, "TERM=vt100", "HISTFILE=")
	m.Start(cmd)
	file := s.Account.Path("pid")
	m.Type(fmt.Sprintf("%s up %s -F %s --pidfile %s &\r", s.Account.Binary(), lab.Alias, s.Account.Path("config"), file))
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
