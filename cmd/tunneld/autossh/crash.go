package autossh

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"github.com/tunneld/tunneld/config/foreign"
)

// A crash of a Go program (a panic, a fatal error of its runtime) says why on standard error, which is /dev/null behind -f. The
// runtime writes the same to one more file: that of AUTOSSH_LOGFILE or of -E. It cannot write to syslog, since it makes a message
// of every few bytes; without a log file it writes to one of its own, of which the next process of that name tells.

// TraceInLog has the words of a crash written to the log file as well. It reports whether there is one.
func (l *Log) TraceInLog() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, file := range []*os.File{l.file, l.ssh} {
		if file != nil && debug.SetCrashOutput(file, debug.CrashOptions{}) == nil {
			return true
		}
	}
	return false
}

// oldTrace ends the name of the file that has the words of the last crash.
const oldTrace = ".last"

// TraceInFile has the words of a crash written to a file of that name, in a directory that is ours. last tells of those of the last
// process that had the name; empty: it has not crashed. Close removes a file in which nothing stands.
func (l *Log) TraceInFile(path string) (last string, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		if err := os.Rename(path, path+oldTrace); err != nil {
			return "", err
		}
		last = fmt.Sprintf("the process before this one ended by a crash at %s; what it said is in %s", info.ModTime().Format(time.DateTime), foreign.Own(path+oldTrace))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return last, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return last, err
	}
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		return last, errors.Join(err, file.Close(), os.Remove(path))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trace = file
	return last, nil
}

// closeTraceLocked removes the file for a crash that has not come. One that somebody else has put there stays.
func (l *Log) closeTraceLocked() {
	if l.trace == nil {
		return
	}
	ours, err := l.trace.Stat()
	now, goneErr := os.Lstat(l.trace.Name())
	if err == nil && goneErr == nil && ours.Size() == 0 && os.SameFile(ours, now) {
		os.Remove(l.trace.Name())
	}
	l.trace.Close()
	l.trace = nil
}
