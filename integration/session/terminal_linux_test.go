package session

import (
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// odd are modes that nobody has by chance.
func odd(s *unix.Termios) {
	s.Cc[unix.VERASE], s.Cc[unix.VINTR], s.Cc[unix.VSUSP], s.Cc[unix.VEOL] = 8, 'K'&31, 0, 7
	s.Iflag = s.Iflag&^unix.IXON | unix.IUTF8 | unix.INLCR | unix.IMAXBEL
	s.Lflag |= unix.NOFLSH
	s.Lflag &^= unix.ECHOKE
	s.Oflag |= unix.OCRNL
	s.Cflag = s.Cflag&^unix.CBAUD | unix.B19200
}

// each runs a test on a terminal for ssh and for us.
func each(t *testing.T, words []string, change func(*unix.Termios), do func(t *testing.T, l *lab.Lab, m *terminal)) (screens []string) {
	t.Helper()
	for _, who := range clients {
		t.Run(who.name, func(t *testing.T) {
			l := newLab(t)
			m := newTerminal(t, 91, 27, change)
			m.start(who.command(t, l, words...))
			do(t, l, m)
			screens = append(screens, m.shown())
		})
	}
	return screens
}

func same(t *testing.T, screens []string) {
	t.Helper()
	if len(screens) != 2 || screens[0] != screens[1] {
		t.Errorf("the screens are\n%q", screens)
	}
}

func TestModesArriveAsFromSSH(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*unix.Termios){nil, odd} {
		screens := each(t, []string{"-t", lab.Alias, "echo $TERM; stty -a; exit 5"}, change, func(t *testing.T, _ *lab.Lab, m *terminal) {
			if code := m.end(); code != 5 {
				t.Errorf("ended with %d", code)
			}
			m.wait("Connection to 127.0.0.1 closed.")
			if !strings.Contains(m.shown(), "rows 27; columns 91") || !strings.Contains(m.shown(), "vt220") {
				t.Error("size or type of the terminal did not arrive")
			}
		})
		same(t, screens)
	}
}

// What goes over the wire, byte by byte.
func TestTerminalIsAskedForAsBySSH(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*unix.Termios){nil, odd} {
		var mu sync.Mutex
		var asked []string
		server, err := sshtest.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		server.OnOpen = func(c ssh.NewChannel) {
			ch, requests, err := c.Accept()
			if err != nil {
				return
			}
			for r := range requests {
				mu.Lock()
				asked = append(asked, r.Type+" "+string(r.Payload))
				mu.Unlock()
				r.Reply(true, nil)
				if r.Type == "exec" {
					ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
					ch.Close()
				}
			}
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		var lists []string
		for _, who := range clients {
			l := &lab.Lab{T: t, Account: lab.NewAccount(t)}
			_, port, _ := net.SplitHostPort(server.Address())
			l.Account.Trust(server.Address(), server.HostKey())
			l.Account.Host(lab.Alias, atoi(port))
			m := newTerminal(t, 91, 27, change)
			m.start(who.command(t, l, "-t", "-o", "SetEnv=A=1", "-o", "SendEnv=LC_*", lab.Alias, "true"))
			m.end()
			mu.Lock()
			lists = append(lists, strings.Join(asked, "\n"))
			asked = nil
			mu.Unlock()
		}
		if lists[0] != lists[1] || !strings.Contains(lists[0], "pty-req") {
			t.Errorf("ssh:     %q\ntunneld: %q", lists[0], lists[1])
		}
	}
}

func atoi(text string) (n int) {
	for _, c := range text {
		n = n*10 + int(c-'0')
	}
	return n
}

func TestWindowChanges(t *testing.T) {
	t.Parallel()
	each(t, []string{"-t", lab.Alias, `trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done`}, nil, func(_ *testing.T, _ *lab.Lab, m *terminal) {
		m.wait("ready")
		m.resize(111, 33)
		m.wait("33 111")
	})
}

func TestKeysPass(t *testing.T) {
	t.Parallel()
	screens := each(t, []string{"-t", lab.Alias, `trap 'echo interrupted' INT; echo ready; read x; read y; echo "$x $y"; exit 9`}, nil,
		func(t *testing.T, _ *lab.Lab, m *terminal) {
			m.wait("ready")
			lab.Eventually(t, lab.Patience, "raw", m.isRaw)
			m.typed("a~.b\r")
			m.wait("a~.b\r\n")
			m.typed("c~~\r")
			if code := m.end(); code != 9 {
				t.Errorf("ended with %d", code)
			}
		})
	same(t, screens)
	each(t, []string{"-t", lab.Alias, `trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.1; done`}, nil,
		func(t *testing.T, _ *lab.Lab, m *terminal) {
			m.wait("ready")
			m.typed("\x03")
			m.wait("interrupted")
			if code := m.end(); code != 4 {
				t.Errorf("ended with %d", code)
			}
		})
}

func TestShellOnATerminal(t *testing.T) {
	t.Parallel()
	each(t, []string{lab.Alias}, nil, func(t *testing.T, _ *lab.Lab, m *terminal) {
		lab.Eventually(t, lab.Patience, "raw", m.isRaw)
		m.typed("echo $((6*7))\r")
		m.wait("42\r\n") // behind what a shell may say to a terminal that it takes for a better one
		m.typed("tty; exit 3\r")
		m.wait("/dev/pts/")
		if code := m.end(); code != 3 {
			t.Errorf("ended with %d", code)
		}
		m.wait("Connection to 127.0.0.1 closed.")
	})
}

// However it ends, the terminal is as it was, and the status says that something is wrong.
func TestTerminalIsRestored(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*lab.Lab, *terminal)
	}{
		{"cut", func(l *lab.Lab, _ *terminal) { l.Relay.Cut() }},
		{"hung up", func(l *lab.Lab, _ *terminal) { l.Relay.HangUp() }},
		{"server killed", func(l *lab.Lab, _ *terminal) { l.Server.Kill() }},
		{"~.", func(_ *lab.Lab, m *terminal) { m.typed("\r~.") }},
		{"SIGTERM", func(_ *lab.Lab, m *terminal) { m.signalled(syscall.SIGTERM) }},
		{"SIGHUP", func(_ *lab.Lab, m *terminal) { m.signalled(syscall.SIGHUP) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			each(t, []string{"-t", lab.Alias, `echo "pid=$$"; exec sleep 1000`}, odd, func(t *testing.T, l *lab.Lab, m *terminal) {
				m.wait("pid=")
				lab.Eventually(t, lab.Patience, "raw", m.isRaw)
				m.wait("\n")
				_, text, _ := strings.Cut(m.shown(), "pid=")
				pid := atoi(strings.TrimRight(text, "\r\n"))
				c.do(l, m)
				if code := m.end(); code != 255 {
					t.Errorf("ended with %d", code)
				}
				lab.Eventually(t, lab.Patience, "the command has ended", func() bool { return syscall.Kill(pid, 0) != nil })
			})
		})
	}
}

func TestEscapesOnATerminal(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	m := newTerminal(t, 80, 24, nil)
	m.start(clients[1].command(t, l, "-t", "-e", "%", lab.Alias, "echo ready; exec cat"))
	m.wait("ready")
	lab.Eventually(t, lab.Patience, "raw", m.isRaw)
	m.typed("%?")
	m.wait("(Note that escapes are only recognized immediately after newline.)")
	m.typed("%&")
	m.wait("%& escape is not supported by tunneld")
	m.typed("~.\r")
	m.wait("~.\r\n~.")
	m.typed("%.")
	if code := m.end(); code != 255 {
		t.Errorf("ended with %d", code)
	}
}

// ~^Z gives the terminal back to the shell that started us, and fg goes on.
func TestSuspendAndGoOn(t *testing.T) {
	t.Parallel()
	lab.Need(t, "bash")
	for _, who := range clients {
		t.Run(who.name, func(t *testing.T) {
			l := newLab(t)
			inner := who.command(t, l, "-t", lab.Alias, `echo "re""ady"; read x; echo "got"" $x"; exit 9`)
			shell := exec.Command("bash", "--norc", "--noprofile", "-i")
			shell.Env, shell.Dir = append(inner.Env, "PS1=prompt$ "), inner.Dir
			m := newTerminal(t, 80, 24, nil)
			m.start(shell)
			m.wait("prompt$ ")
			var words []string
			for _, word := range inner.Args {
				words = append(words, "'"+word+"'")
			}
			m.typed(strings.Join(words, " ") + "\r")
			m.wait("ready\r\n")
			lab.Eventually(t, lab.Patience, "raw", m.isRaw)
			m.typed("~\x1a")
			m.wait("Stopped")
			m.typed("echo st''ill here\r")
			m.wait("still here")
			m.typed("fg\r")
			lab.Eventually(t, lab.Patience, "raw", m.isRaw)
			m.typed("word\r")
			lab.Eventually(t, lab.Patience, "the shell is back after its word", func() bool {
				_, after, ok := strings.Cut(m.shown(), "got word")
				return ok && strings.Contains(after, "prompt$ ") // what is typed before goes to ssh, or nowhere
			})
			m.typed("exit $?\r")
			if code := m.end(); code != 9 {
				t.Errorf("ended with %d", code)
			}
		})
	}
}
