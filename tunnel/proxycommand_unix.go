//go:build unix

package tunnel

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the command the leader of a process group, so that what it starts ends with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// hangUp asks the group to end, with the signal that OpenSSH uses (kill_proxy_command).
func hangUp(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP) }

// kill ends the group.
func kill(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
