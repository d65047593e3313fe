//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package prompt

import "golang.org/x/sys/unix"

// The requests that read the state of a terminal, and that set it and drop what is waiting to be read (termios(4)).
const (
	readTermios  = unix.TIOCGETA
	flushTermios = unix.TIOCSETAF
)
