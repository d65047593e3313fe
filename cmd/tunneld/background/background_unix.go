//go:build unix

package background

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyVariable tells the second process the descriptor on which the first one waits.
const readyVariable = "TUNNELD_READY"

// readyDescriptor is the first behind standard error.
const readyDescriptor = 3

// maxWords is the most that the second process has the first one print, in bytes: what a pipe takes at once (PIPE_BUF).
const maxWords = 4000

// First is the process that the person started, as the second one sees it.
type First struct{ pipe *os.File }

// Second returns the process that waits for this one; nil in the first process.
func Second() *First {
	if os.Getenv(readyVariable) != strconv.Itoa(readyDescriptor) {
		return nil
	}
	os.Unsetenv(readyVariable)
	syscall.CloseOnExec(readyDescriptor)
	return &First{os.NewFile(readyDescriptor, "ready")}
}

// Release has the first process print words, which may be none, and exit with 0. It can be called once. An error means that the
// first process has gone: it was killed.
func (f *First) Release(words string) error {
	defer f.pipe.Close()
	_, err := f.pipe.Write(append([]byte{1}, words[:min(len(words), maxWords)]...))
	return err
}

// StartSecond begins the second process, with args as they were typed, and returns the exit code of the first. What the second
// one has to say in the end goes to words. The error may be ErrStopped.
func StartSecond(args []string, words io.Writer) (code int, err error) {
	signals := notifyFirst()
	defer signal.Stop(signals)
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
	said := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(read, maxWords+1))
		said <- text
	}()
	return await(cmd, said, signals, words)
}

// notifyFirst returns the signals of the first process: all that would end it, but for those that whoever started it has it ignore,
// as nohup(1) does.
func notifyFirst() chan os.Signal {
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	return signals
}

// await returns when the second process is there, or has ended. What asks us to end asks it: it would be left behind else, with
// nobody who knows of it.
func await(cmd *exec.Cmd, said <-chan []byte, signals <-chan os.Signal, words io.Writer) (code int, err error) {
	stopping := false
	for {
		select {
		case text := <-said:
			if len(text) == 0 {
				return codeOf(cmd.Wait(), stopping)
			}
			cmd.Process.Release()
			words.Write(text[1:])
			return 0, nil
		case s := <-signals:
			if s == syscall.SIGUSR1 || s == syscall.SIGUSR2 { // there is no connection yet to be made anew
				continue
			}
			stopping = true
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// codeOf returns the exit code for an end of the second process that came too early. One that ended in good order because it was
// asked to is not in the background either.
func codeOf(err error, stopping bool) (int, error) {
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode(), nil
	case err != nil:
		return 0, fmt.Errorf("the process in the background: %w", err)
	case stopping:
		return 1, nil
	}
	return 0, ErrStopped
}

// self is this very program, whatever has its name by now.
func self() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	return os.Executable()
}

// LeaveTerminal makes the process one without a terminal: a session of its own, nothing on the standard descriptors; keepErrors
// leaves standard error as it is.
func LeaveTerminal(keepErrors bool) error {
	if _, err := syscall.Setsid(); err != nil && !errors.Is(err, syscall.EPERM) { // EPERM: it leads one already
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if fd == syscall.Stderr && keepErrors {
			continue
		}
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
