//go:build unix

package interactive

import (
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is Files.In where that is one. A nil terminal has no modes and no size, and cannot be changed.
type terminal struct {
	file   *os.File
	before unix.Termios // as it was found

	mu   sync.Mutex // guards the following; held during all calls
	raw  bool
	over bool // it is not ours any more
}

// terminalOf returns nil where file is no terminal.
func terminalOf(file *os.File) *terminal {
	if file == nil {
		return nil
	}
	t := &terminal{file: file}
	if t.control(func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, readTermios)
		if err == nil {
			t.before = *state
		}
		return err
	}) != nil {
		return nil
	}
	return t
}

// size returns what the window has now; zero where that is not known.
func (t *terminal) size() (s size) {
	if t == nil {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return s
	}
	t.control(func(fd int) error {
		w, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil {
			s = size{uint32(w.Col), uint32(w.Row), uint32(w.Xpixel), uint32(w.Ypixel)}
		}
		return err
	})
	return s
}

// gone reports whether the terminal was closed: it has no modes any more (on Linux all its calls give EIO).
func (t *terminal) gone() bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.over && t.control(func(fd int) error {
		_, err := unix.IoctlGetTermios(fd, readTermios)
		return err
	}) != nil
}

// makeRaw passes every key on as it is (enter_raw_mode of OpenSSH's sshtty.c).
func (t *terminal) makeRaw() {
	if t == nil {
		return
	}
	raw := t.before
	raw.Iflag |= unix.IGNPAR
	raw.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON | unix.IXANY | unix.IXOFF | upperToLower
	raw.Lflag &^= unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.ECHONL | unix.IEXTEN
	raw.Oflag &^= unix.OPOST
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.raw = t.set(&raw) == nil
	}
}

// letGo restores the terminal, and does not touch it any more.
func (t *terminal) letGo() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restoreLocked()
	t.over = true
}

// restore leaves the terminal as it was found. It may be called more than once.
func (t *terminal) restore() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.restoreLocked()
}

func (t *terminal) restoreLocked() {
	if t.raw {
		t.raw = false
		t.set(&t.before)
	}
}

// set takes effect at once: to wait until all output has gone, as ssh does, would be to wait for a terminal that was stopped.
func (t *terminal) set(state *unix.Termios) error {
	return t.control(func(fd int) error { return unix.IoctlSetTermios(fd, writeTermios, state) })
}

// control calls f with the descriptor. (*os.File).Fd would change the flags that others see.
func (t *terminal) control(f func(fd int) error) error { return control(t.file, f) }

func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// notifySize has changed be told of each new size of the window.
func notifySize(changed chan<- os.Signal) { signal.Notify(changed, unix.SIGWINCH) }

// stopTime is how long a process may take to notice that it was told to stop. One that cannot stop, because nobody could let
// it go on, goes on after this.
const stopTime = 100 * time.Millisecond

// SuspendProcess stops this process as Ctrl-Z does, and returns when it goes on.
func SuspendProcess() {
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, unix.SIGCONT)
	defer signal.Stop(goesOn)
	unix.Kill(unix.Getpid(), unix.SIGTSTP)
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-goesOn:
	case <-timer.C:
	}
}
