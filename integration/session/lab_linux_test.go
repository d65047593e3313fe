package session

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/integration/lab"
)

// client is a program that takes ssh's words: ssh itself, or ours.
type client struct {
	name string
	ours bool
}

var clients = []client{{"ssh", false}, {"tunneld", true}}

// newLab is a lab whose server takes variables and has a subsystem.
func newLab(t *testing.T) *lab.Lab {
	lab.Need(t, "ssh")
	return lab.LabOf(t, lab.StartSSHD(t, "AcceptEnv LC_*", "Subsystem copy /bin/cat", "PermitUserEnvironment no"))
}

// command is c with these words behind the name of the configuration file.
func (c client) command(t *testing.T, l *lab.Lab, words ...string) *exec.Cmd {
	t.Helper()
	path := "ssh"
	if c.ours {
		var err error
		if path, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(path, append([]string{"-F", l.Account.Path("config")}, words...)...)
	cmd.Dir = l.Account.Dir
	cmd.Env = append(l.Account.Environment(), "TERM=vt220", "LC_SENT=sent")
	if c.ours {
		cmd.Env = append(cmd.Env, asProgram+"=1")
	}
	return cmd
}

// terminal is a pseudo terminal with a program on it, and a person before it.
type terminal struct {
	t        *testing.T
	keyboard *os.File // the person's side
	tty      *os.File
	before   unix.Termios
	cmd      *exec.Cmd
	done     chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

// newTerminal changes the modes before anything runs on it.
func newTerminal(t *testing.T, columns, rows int, change func(*unix.Termios)) *terminal {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	m := &terminal{t: t, keyboard: keyboard, done: make(chan struct{})}
	t.Cleanup(func() { keyboard.Close() })
	m.control(keyboard, func(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0) })
	m.control(keyboard, func(fd int) error {
		number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
		if err != nil {
			return err
		}
		slave, err := unix.Open(fmt.Sprint("/dev/pts/", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		m.tty = os.NewFile(uintptr(slave), "tty")
		return err
	})
	t.Cleanup(func() { m.tty.Close() })
	m.resize(columns, rows)
	if change != nil {
		state := m.modes()
		change(&state)
		m.control(m.tty, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &state) })
	}
	m.before = m.modes()
	return m
}

// start runs a program with the terminal for its own. The test ends it.
func (m *terminal) start(cmd *exec.Cmd) {
	m.t.Helper()
	m.cmd = cmd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = m.tty, m.tty, m.tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(m.done)
	}()
	go m.watch()
	m.t.Cleanup(func() {
		cmd.Process.Kill()
		<-m.done
		if m.t.Failed() {
			m.t.Logf("the screen of %s shows %q", cmd.Path, m.shown())
		}
	})
}

func (m *terminal) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := m.keyboard.Read(buffer)
		m.mu.Lock()
		m.screen.Write(buffer[:n])
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (m *terminal) shown() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.String()
}

// drain reads what is on its way to the screen: what comes before a mark of ours, which is taken off again.
func (m *terminal) drain() {
	m.t.Helper()
	const mark = "\a[end of the screen]\a"
	if _, err := m.tty.WriteString(mark); err != nil {
		m.t.Fatal(err)
	}
	m.wait(mark)
	m.mu.Lock()
	defer m.mu.Unlock()
	text := strings.Replace(m.screen.String(), mark, "", 1)
	m.screen.Reset()
	m.screen.WriteString(text)
}

func (m *terminal) wait(text string) {
	m.t.Helper()
	lab.Eventually(m.t, lab.Patience, fmt.Sprintf("the screen shows %q", text), func() bool { return strings.Contains(m.shown(), text) })
}

func (m *terminal) typed(keys string) {
	m.t.Helper()
	if _, err := m.keyboard.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// signalled sends a signal that ends the program. OpenSSH 9.2's ssh was seen to sleep through one that came while it was busy
// (it looks for signals, and then calls poll), so it is sent another.
func (m *terminal) signalled(s syscall.Signal) {
	m.t.Helper()
	m.cmd.Process.Signal(s)
	for range 5 {
		if filepath.Base(m.cmd.Path) != "ssh" || lab.Within(2*time.Second, m.ended) {
			return
		}
		m.cmd.Process.Signal(s)
	}
}

func (m *terminal) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// end waits for the program's end and for all that it wrote, and checks that the terminal is as it was. It returns the exit
// code.
func (m *terminal) end() int {
	m.t.Helper()
	lab.Eventually(m.t, lab.Patience, "the program has ended", m.ended)
	m.drain()
	if now := m.modes(); now != m.before {
		m.t.Errorf("the terminal is left with %+v, was %+v", now, m.before)
	}
	return m.cmd.ProcessState.ExitCode()
}

func (m *terminal) resize(columns, rows int) {
	m.control(m.keyboard, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
}

func (m *terminal) modes() (state unix.Termios) {
	m.t.Helper()
	m.control(m.tty, func(fd int) error {
		s, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			state = *s
		}
		return err
	})
	return state
}

func (m *terminal) isRaw() bool { return m.modes().Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 }

func (m *terminal) control(f *os.File, do func(fd int) error) {
	m.t.Helper()
	raw, err := f.SyscallConn()
	if err != nil {
		m.t.Fatal(err)
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = do(int(fd)) }); err != nil || inner != nil {
		m.t.Fatal(err, inner)
	}
}
