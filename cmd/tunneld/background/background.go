// Package background is the way into the background, for up -f and autossh -f.
package background

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The way into the background: the process that the person started begins another of the same words and waits until that has
// read its configuration, asked what it has to ask at the terminal, tried to listen once, and has written its pid file. Then it
// exits with 0 and the other one goes on without a terminal; before that, the other one's end is its own. A Go program
// cannot fork(2) as daemon(3) does.

// readyVariable tells the second process the descriptor on which the first one waits.
const readyVariable = "TUNNELD_READY"

// readyDescriptor is the first behind standard error.
const readyDescriptor = 3

// Second returns the way to tell the first process that all is well; nil in the first process.
func Second() *os.File {
	if os.Getenv(readyVariable) != strconv.Itoa(readyDescriptor) {
		return nil
	}
	os.Unsetenv(readyVariable)
	syscall.CloseOnExec(readyDescriptor)
	return os.NewFile(readyDescriptor, "ready")
}

// StartSecond begins the second process, with args as they were typed, and returns the exit code of the first.
func StartSecond(args []string) (int, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	program, err := self()
	if err != nil {
		write.Close()
		return 0, err
	}
	cmd := &exec.Cmd{Path: program, Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{write},
		Env: append(os.Environ(), fmt.Sprintf("%s=%d", readyVariable, readyDescriptor))}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return 0, err
	}
	if n, _ := read.Read(make([]byte, 1)); n == 1 {
		cmd.Process.Release()
		return 0, nil
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, nil
	}
	return 0, nil
}

// self is this very program, whatever has its name by now.
func self() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	return os.Executable()
}

// LeaveTerminal makes the process one without a terminal: a session of its own, nothing on the standard descriptors.
func LeaveTerminal() error {
	if _, err := syscall.Setsid(); err != nil && !errors.Is(err, syscall.EPERM) { // EPERM: it leads one already
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup2(int(null.Fd()), fd); err != nil {
			return err
		}
	}
	return nil
}

// Rename gives the process the name under which ps, pgrep and killall find it: that of its first word.
func Rename(name string) {
	os.WriteFile("/proc/self/comm", []byte(name), 0) // of the first thread, whichever writes; where there is none, the name is the file's
}
