//go:build unix

package prompt

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/tunnel/auth"
)

// terminalPath is the terminal of this process.
const terminalPath = "/dev/tty"

// openTerminal opens the terminal of this process for a question. A process in the background has none: the kernel would
// stop it as soon as it reads.
func openTerminal(path string) (*os.File, error) {
	tty, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, auth.ErrNobody
	}
	if !inForeground(tty) {
		tty.Close()
		return nil, auth.ErrNobody
	}
	return tty, nil
}

// inForeground reports whether it is our turn to read the terminal, which has to be our own.
func inForeground(tty *os.File) bool {
	var group int
	err := control(tty, func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return err == nil && group == unix.Getpgrp()
}

// readLine shows prompt and reads one line; with echo false nothing of it is seen. Unlike x/term's ReadPassword it ends
// with ctx, and leaves the terminal as it was. A person who puts the process into the background meanwhile (Ctrl-Z, bg) has left,
// which is auth.ErrNobody: the terminal is the shell's then. One who comes back (fg) is asked again.
func readLine(ctx context.Context, tty *os.File, prompt string, echo bool) (line string, err error) {
	wake := func() { tty.SetReadDeadline(time.Unix(1, 0)) } // long ago
	defer context.AfterFunc(ctx, wake)()
	resumed, stop := onResume(wake) // from before the question is seen: it may be stopped as soon as it is
	defer stop()
	ours := inForeground(tty)
	left := func() bool { return ours && !inForeground(tty) }
	show := func() error {
		// The carriage return puts the prompt over what was typed too early.
		_, err := io.WriteString(tty, "\r"+prompt)
		return err
	}
	again := show
	if !echo {
		restore, err := silence(tty)
		if err != nil {
			return "", err
		}
		again = func() error { // the shell has set the terminal for itself
			if _, err := silence(tty); err != nil {
				return err
			}
			return show()
		}
		defer func() {
			if left() {
				return // to change it would stop us (SIGTTOU)
			}
			restore()
			io.WriteString(tty, "\n") // the one that was not echoed
		}()
	}
	if err := show(); err != nil {
		return "", err
	}
	line, err = read(ctx, tty, left, resumed, again)
	if ctx.Err() != nil && echo && !left() {
		io.WriteString(tty, "\n") // what comes next does not land on the question
	}
	return line, err
}

// lookEvery is how often it is found out whether the person has left.
const lookEvery = time.Second

// read waits for a line until ctx is done, or left reports that the person has left: to read then would stop the process (SIGTTIN).
// It calls again when resumed says that the process went on after it was stopped. Nothing, from Ctrl-D, is an empty line.
func read(ctx context.Context, tty *os.File, left func() bool, resumed *atomic.Bool, again func() error) (line string, err error) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return "", err
	}
	buffer := make([]byte, maxAnswer)
	for {
		tty.SetReadDeadline(time.Now().Add(lookEvery))
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case left():
			return "", auth.ErrNobody
		case resumed.Swap(false):
			if err := again(); err != nil {
				return "", err
			}
		}
		var n int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			if left() {
				failed = auth.ErrNobody
				return true
			}
			n, failed = unix.Read(int(fd), buffer)
			return !errors.Is(failed, unix.EAGAIN)
		})
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(failed, unix.EINTR) {
			continue
		}
		return firstLine(buffer[:max(n, 0)]), errors.Join(err, failed)
	}
}

// onResume notes when the process goes on after it was stopped, and calls wake then.
func onResume(wake func()) (resumed *atomic.Bool, stop func()) {
	resumed = new(atomic.Bool)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCONT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range signals {
			resumed.Store(true)
			wake()
		}
	}()
	return resumed, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}

// silence turns the echo off, and drops what was typed before.
func silence(tty *os.File) (restore func(), err error) {
	var before unix.Termios
	err = control(tty, func(fd int) error {
		state, err := unix.IoctlGetTermios(fd, readTermios)
		if err != nil {
			return err
		}
		before = *state
		state.Lflag &^= unix.ECHO
		state.Lflag |= unix.ICANON | unix.ISIG
		state.Iflag |= unix.ICRNL
		return unix.IoctlSetTermios(fd, flushTermios, state)
	})
	return func() {
		control(tty, func(fd int) error { return unix.IoctlSetTermios(fd, flushTermios, &before) })
	}, err
}

// control calls f with tty's descriptor. (*os.File).Fd would make reads that no deadline ends.
func control(tty *os.File, f func(fd int) error) error {
	raw, err := tty.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
