//go:build unix

package hangup

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func openTerminal() (*os.File, error) {
	return os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
}

// hasEnded reports whether the terminal is closed, or the shell on it has ended: all that had it open are hung up on then
// (vhangup(2)).
func (t *Terminal) hasEnded() bool {
	raw, err := t.tty.SyscallConn()
	if err != nil {
		return true
	}
	var hungUp error
	err = raw.Control(func(fd uintptr) { _, hungUp = unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ) })
	return err != nil || hungUp != nil
}
