//go:build unix

package procgroup

import (
	"cmp"
	"context"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// ByShell returns a command as ssh has its user's shell run it; shell may be empty. replaced: the shell is to give way to it.
func ByShell(ctx context.Context, shell, command string, replaced bool) *exec.Cmd {
	if replaced {
		command = "exec " + command
	}
	return exec.CommandContext(ctx, cmp.Or(shell, "/bin/sh"), "-c", command)
}

// CanRun returns why a shell cannot be run.
func CanRun(shell string) error { return unix.Access(shell, unix.X_OK) }

// Lead makes the command the leader of a process group of its own. Call it before Start.
func Lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// HangUp asks the group of a started command to end, with the signal that OpenSSH uses (sshconnect.c, kill_proxy_command).
func HangUp(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP) }

// Kill ends the group of a started command.
func Kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
