package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// heldFile is the file of --pidfile. Its lock is held for as long as we live, so that a number that was left over by a
// crash can be told from one that is in use.
type heldFile struct {
	file *os.File
	path string
}

// writePIDFile makes the file, or refuses where the process that it names lives.
func writePIDFile(path string) (*heldFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, &exitError{code: exitUsage, err: fmt.Errorf("--pidfile: %w", err), hint: "give a file in a directory that this user may write"}
	}
	if err := claimPIDFile(file); err != nil {
		file.Close()
		return nil, err
	}
	return &heldFile{file, path}, nil
}

func claimPIDFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	old := make([]byte, 32)
	n, _ := file.ReadAt(old, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(old[:n])))
	if errors.Is(err, syscall.EWOULDBLOCK) || pid > 0 && pid != os.Getpid() && lives(pid) {
		return &exitError{code: exitUsage, err: fmt.Errorf("--pidfile %s: process %d lives", file.Name(), pid),
			hint: fmt.Sprintf("stop it with `kill %d`; if it is something else, remove the file", pid)}
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("--pidfile: %w", err)
	}
	return nil
}

// lives tells whether there is a process of that number (kill(2) with signal 0).
func lives(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// remove takes the file away, unless another one is in its place by now.
func (h *heldFile) remove() {
	ours, err := h.file.Stat()
	if now, missing := os.Lstat(h.path); err == nil && missing == nil && os.SameFile(ours, now) {
		os.Remove(h.path)
	}
	h.file.Close()
}
