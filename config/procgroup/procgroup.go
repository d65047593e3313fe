// Package procgroup starts a command as the leader of a process group, and ends it together with what it started: commands
// of "Match exec", ProxyCommand and KnownHostsCommand. It is a leaf, because config and the floors above it run commands.
package procgroup

import (
	"os/exec"
	"syscall"
)

// Lead makes the command the leader of a process group of its own. Call it before Start.
func Lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// HangUp asks the group of a started command to end, with the signal that OpenSSH uses (sshconnect.c, kill_proxy_command).
func HangUp(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP) }

// Kill ends the group of a started command.
func Kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
