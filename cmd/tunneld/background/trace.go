package background

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// Trace is a file that tells why a process ended that nobody watches. It is gone after an end in good order.
type Trace struct {
	path    string
	file    *os.File
	written bool
}

// LeaveTrace makes the file, in place of one of before, says in it who we are, and has a crash of this process written there.
func LeaveTrace(path string, names []string) (*Trace, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(file, "%s: process %d, in the background since %s\n", strings.Join(names, " "), os.Getpid(), time.Now().Format(time.DateTime))
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		file.Close()
		os.Remove(path)
		return nil, err
	}
	return &Trace{path: path, file: file}, nil
}

// CrashTo has a crash of this process written to a file as well, which may be closed then.
func CrashTo(file *os.File) error { return debug.SetCrashOutput(file, debug.CrashOptions{}) }

// Write implements io.Writer: the file stays.
func (t *Trace) Write(text []byte) (int, error) {
	if !t.written {
		t.written = true
		fmt.Fprintf(t.file, "ended %s\n", time.Now().Format(time.DateTime))
	}
	return t.file.Write(text)
}

// Close removes the file where nothing was written to it. t may be nil.
func (t *Trace) Close() {
	if t == nil {
		return
	}
	if !t.written {
		os.Remove(t.path)
	}
	t.file.Close()
}

// maxTrace is how much of a trace is shown, in bytes.
const maxTrace = 256 << 10

// ShowTraces prints what processes left behind, and reports whether there was any.
func ShowTraces(out io.Writer, paths []string) (told bool) {
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			continue // it has just been removed
		}
		text, _ := io.ReadAll(io.LimitReader(file, maxTrace)) // as much as can be read
		file.Close()
		for line := range strings.Lines(string(text)) {
			fmt.Fprintln(out, foreign.Own(strings.TrimRight(line, "\r\n")))
		}
		if strings.Count(string(text), "\n") <= 1 {
			fmt.Fprintln(out, "it left no word: it was killed, or the machine went down")
		}
		told = true
	}
	return told
}
