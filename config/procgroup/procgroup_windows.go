package procgroup

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ByShell returns a command that cmd.exe runs, whatever SHELL says, which is a path of another system's there.
func ByShell(ctx context.Context, _, command string, _ bool) *exec.Cmd {
	shell := cmp.Or(os.Getenv("ComSpec"), "cmd.exe")
	c := exec.CommandContext(ctx, shell)
	c.SysProcAttr = &syscall.SysProcAttr{CmdLine: syscall.EscapeArg(shell) + ` /d /s /c "` + command + `"`} // /s: all between the outer quotes
	return c
}

// CanRun returns nil: the shell of Windows is where it is.
func CanRun(string) error { return nil }

// Lead makes the command the leader of a process group of its own, which Ctrl-C does not reach. Call it before Start.
func Lead(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
}

// HangUp ends the group of a started command: there is no signal that asks it to.
func HangUp(cmd *exec.Cmd) error { return Kill(cmd) }

// Kill ends a started command and what it has started, and so on.
func Kill(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.Signal(0)); errors.Is(err, os.ErrProcessDone) {
		return err // its number may be another's by now
	}
	var failures []error
	for _, pid := range family(uint32(cmd.Process.Pid)) {
		failures = append(failures, end(pid))
	}
	return errors.Join(append(failures, cmd.Process.Kill())...)
}

func end(pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return nil // it has ended
	}
	defer windows.CloseHandle(process)
	return windows.TerminateProcess(process, 1)
}

// family returns the processes that one has started, and those that these have. The number of a parent that has ended may be another's
// by now, which is younger than its supposed child.
func family(pid uint32) (list []uint32) {
	parents, err := parents()
	if err != nil {
		return nil
	}
	for from := []uint32{pid}; len(from) > 0; from = from[1:] {
		for child, parent := range parents {
			if parent == from[0] && child != pid && begun(parent) <= begun(child) {
				list, from = append(list, child), append(from, child)
				delete(parents, child)
			}
		}
	}
	return list
}

// parents returns all processes, and who has started each.
func parents() (map[uint32]uint32, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, err
	}
	defer windows.CloseHandle(snapshot)
	list := make(map[uint32]uint32)
	var one windows.ProcessEntry32
	one.Size = uint32(unsafe.Sizeof(one))
	for err = windows.Process32First(snapshot, &one); err == nil; err = windows.Process32Next(snapshot, &one) {
		list[one.ProcessID] = one.ParentProcessID
	}
	return list, nil
}

// begun returns when a process began, in nanoseconds; 0: that cannot be known.
func begun(pid uint32) int64 {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return 0
	}
	defer windows.CloseHandle(process)
	var created, exited, kernel, user windows.Filetime
	if windows.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return 0
	}
	return created.Nanoseconds()
}
