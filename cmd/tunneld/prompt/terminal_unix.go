//go:build unix

package prompt

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tunneld/tunneld/tunnel/auth"
)

// openTerminal opens the terminal of this process for a question. A process in the background has none: the kernel would
// stop it as soon as it reads.
func openTerminal(path string) (*os.File, error) {
	tty, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, auth.ErrNobody
	}
	foreground := false
	err = control(tty, func(fd int) error {
		group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		foreground = group == unix.Getpgrp()
		return err
	})
	if err != nil || !foreground {
		tty.Close()
		return nil, auth.ErrNobody
	}
	return tty, nil
}

// readLine shows prompt and reads one line; with echo false nothing of it is seen. Unlike x/term's ReadPassword it ends
// with ctx, and leaves the terminal as it was.
func readLine(ctx context.Context, tty *os.File, prompt string, echo bool) (line string, err error) {
	if !echo {
		restore, err := silence(tty)
		if err != nil {
			return "", err
		}
		defer func() {
			restore()
			io.WriteString(tty, "\n") // the one that was not echoed
		}()
	}
	// The carriage return puts the prompt over what was typed too early.
	if _, err := io.WriteString(tty, "\r"+prompt); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { tty.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, maxAnswer)
	n, err := tty.Read(buffer)
	switch {
	case ctx.Err() != nil:
		if echo {
			io.WriteString(tty, "\n") // what comes next does not land on the question
		}
		return "", ctx.Err()
	case errors.Is(err, io.EOF): // Ctrl-D
		return "", nil
	case err != nil:
		return "", err
	}
	return firstLine(buffer[:n]), nil
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
