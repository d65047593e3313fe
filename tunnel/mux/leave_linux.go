package mux

import (
	"os"

	"golang.org/x/sys/unix"
)

// leaveTerminal gives up our own controlling terminal where a client passes it and we are in the background there:
// `tunneld up db &`, and then `ssh db` in the same shell. To read it would stop us (SIGTTIN), and so would to write to it after
// `stty tostop` (SIGTTOU), which is what OpenSSH's master has happen to it. Who leads the session keeps it: to leave would hang
// up on everybody there, and nothing stops a leader (tty_ioctl(4), setpgid(2) on orphaned groups).
func leaveTerminal(file *os.File) {
	raw, err := file.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		front, err := unix.IoctlGetInt(int(fd), unix.TIOCGPGRP)
		if err != nil || front == unix.Getpgrp() {
			return // not our terminal, or we are who has it
		}
		session, err := unix.IoctlGetInt(int(fd), unix.TIOCGSID)
		if own, _ := unix.Getsid(0); err == nil && session == own && own != unix.Getpid() {
			unix.IoctlSetInt(int(fd), unix.TIOCNOTTY, 0)
		}
	})
}
