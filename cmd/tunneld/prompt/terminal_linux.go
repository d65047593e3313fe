package prompt

import "golang.org/x/sys/unix"

// The requests that read the state of a terminal, and that set it and drop what is waiting to be read (ioctl_tty(2)).
const (
	readTermios  = unix.TCGETS
	flushTermios = unix.TCSETSF
)
