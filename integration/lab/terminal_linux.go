package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a pseudo terminal with a program on it, and a person before it.
type Terminal struct {
	t        *testing.T
	keyboard *os.File // the person's side
	tty      *os.File
	before   unix.Termios
	cmd      *exec.Cmd
	done     chan struct{}

	mu     sync.Mutex
	screen bytes.Buffer
}

// NewTerminal changes the modes before anything runs on it.
func NewTerminal(t *testing.T, columns, rows int, change func(*unix.Termios)) *Terminal {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	m := &Terminal{t: t, keyboard: keyboard, done: make(chan struct{})}
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
	m.Resize(columns, rows)
	if change != nil {
		state := m.modes()
		change(&state)
		m.control(m.tty, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, &state) })
	}
	m.before = m.modes()
	return m
}

// Start runs a program with the terminal for its own. The test ends it.
func (m *Terminal) Start(cmd *exec.Cmd) {
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
			m.t.Logf("the screen of %s shows %q", cmd.Path, m.Shown())
		}
	})
}

func (m *Terminal) watch() {
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

// Shown is all that the screen has shown.
func (m *Terminal) Shown() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.String()
}

// Wait waits until the screen shows text.
func (m *Terminal) Wait(text string) {
	m.t.Helper()
	Eventually(m.t, Patience, fmt.Sprintf("the screen shows %q", text), func() bool { return strings.Contains(m.Shown(), text) })
}

// Type presses keys.
func (m *Terminal) Type(keys string) {
	m.t.Helper()
	if _, err := m.keyboard.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// End waits for the program's end, and checks that the terminal is as it was. It returns the exit code.
func (m *Terminal) End() int {
	m.t.Helper()
	Eventually(m.t, Patience, "the program has ended", func() bool {
		select {
		case <-m.done:
			return true
		default:
			return false
		}
	})
	if now := m.modes(); now != m.before {
		m.t.Errorf("the terminal is left with %+v, was %+v", now, m.before)
	}
	return m.cmd.ProcessState.ExitCode()
}

// HangUp closes the terminal, as its window's end does, and returns the program's exit code.
func (m *Terminal) HangUp() int {
	m.t.Helper()
	m.keyboard.Close()
	select {
	case <-m.done:
	case <-time.After(Patience):
		m.t.Fatal("the program outlives its terminal")
	}
	return m.cmd.ProcessState.ExitCode()
}

// Abandon closes the terminal under a program that is to go on.
func (m *Terminal) Abandon() { m.keyboard.Close() }

// Pid is the program's.
func (m *Terminal) Pid() int { return m.cmd.Process.Pid }

// Resize makes the window another size.
func (m *Terminal) Resize(columns, rows int) {
	m.control(m.keyboard, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
}

func (m *Terminal) modes() (state unix.Termios) {
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

// IsRaw reports whether every key goes to the program as it is.
func (m *Terminal) IsRaw() bool { return m.modes().Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) == 0 }

func (m *Terminal) control(f *os.File, do func(fd int) error) {
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
