package background

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/config/filelock"
	"github.com/tunneld/tunneld/config/filemode"
)

// Trace is a file that tells why a process ended that nobody watches. It is gone after an end in good order. The process holds its
// lock for as long as it lives: nobody can tell before that is over how it ended.
type Trace struct {
	path  string
	begun time.Time

	mu      sync.Mutex // guards all following fields
	file    *os.File
	written bool
}

// traceLockTime is how long somebody may look at a file that has just been made.
const traceLockTime = time.Second

// LeaveTrace makes the file, in place of one of before, says in it who we are, and has a crash of this process written there.
func LeaveTrace(path string, names []string) (*Trace, error) {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND|filemode.NoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	t := &Trace{path: path, file: file, begun: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), traceLockTime)
	defer cancel()
	if err := filelock.Wait(ctx, file); err != nil {
		t.Close()
		return nil, err
	}
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		t.Close()
		return nil, err
	}
	t.Rename(names)
	return t, nil
}

// Again makes the file anew at path, since that of t may be gone, and closes t.
func (t *Trace) Again(path string, names []string) (*Trace, error) {
	fresh, err := LeaveTrace(path, names)
	if err != nil {
		return nil, err
	}
	fresh.begun = t.begun
	fresh.Rename(names)
	t.Close()
	return fresh, nil
}

// CrashTo has a crash of this process written to a file as well, which may be closed then. One that is not plain, such as a pipe
// that nobody reads, could hold up the crash, and is an error.
func CrashTo(file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no plain file", file.Name())
	}
	return debug.SetCrashOutput(file, debug.CrashOptions{})
}

// Rename says which tunnels the process runs from now on. t may be nil.
func (t *Trace) Rename(names []string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.written || t.file.Truncate(0) != nil {
		return
	}
	var words []string
	for _, name := range names {
		words = append(words, asWord(name))
	}
	fmt.Fprintf(t.file, "%s%s%d, in the background since %s\n", strings.Join(words, " "), behindNames, os.Getpid(), t.begun.Format(time.DateTime))
}

// behindNames is what follows the names in the first line.
const behindNames = ": process "

// asWord returns a name as it is, or where it could not be told from several, in quotes.
func asWord(name string) string {
	if name == "" || strings.ContainsAny(name, ` "`) {
		return strconv.Quote(name)
	}
	return name
}

// Write implements io.Writer: the file stays.
func (t *Trace) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.written {
		t.written = true
		fmt.Fprintf(t.file, "ended %s\n", time.Now().Format(time.DateTime))
	}
	return t.file.Write(text)
}

// Close removes the file where nothing was written to it, unless another process has put its own there by now. t may be nil.
func (t *Trace) Close() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ours, err := t.file.Stat()
	if now, missing := os.Lstat(t.path); !t.written && err == nil && missing == nil && os.SameFile(ours, now) {
		filelock.Remove(t.file, t.path)
		return
	}
	t.file.Close()
}
