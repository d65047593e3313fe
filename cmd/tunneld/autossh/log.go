package autossh

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
	"github.com/tunneld/tunneld/config/foreign"
)

// Log takes what autossh says and what ssh would have said, each where people look for it: autossh's lines in syslog or in
// AUTOSSH_LOGFILE, ssh's on standard error, in the file of -E, or with -y in syslog. ssh's stand in autossh's log as well, since
// behind -f nobody sees standard error.
type Log struct {
	name  string
	level spec.Level
	debug bool

	mu     sync.Mutex // guards all following fields
	file   *os.File   // AUTOSSH_LOGFILE; nil: syslog
	syslog syslog
	stderr io.Writer // nil: there is none any more
	ssh    io.Writer // the file of -E; nil: stderr
	system bool      // -y
	grade  Grade     // of ssh's lines that are shown
}

// Grade is how much ssh says, as LogLevel of ssh_config(5).
type Grade int

// The grades.
const (
	Quiet Grade = iota
	Fatal
	Error
	Info
	Verbose
	Debug
)

// priority is the one that ssh -y gives a line.
func (g Grade) priority() spec.Level {
	switch {
	case g <= Error:
		return spec.LevelError
	case g < Debug:
		return spec.LevelInfo
	}
	return spec.LevelDebug
}

// GradeOf reads LogLevel.
func GradeOf(level string) Grade {
	for grade, name := range []string{"QUIET", "FATAL", "ERROR", "INFO", "VERBOSE"} {
		if strings.EqualFold(name, level) {
			return Grade(grade)
		}
	}
	return Debug
}

// OpenLog opens the files. An error is to be said as autossh says it; nothing is open then.
func OpenLog(c *spec.Command, stderr io.Writer) (*Log, error) {
	l := &Log{name: c.Name, level: c.Settings.LogLevel, debug: c.Settings.Debug, stderr: stderr, system: c.SSHLog.Syslog, grade: Info}
	if c.Settings.LogFileSet {
		file, err := openAppending(c.Settings.LogFile, 0o666) // less the umask, as fopen(3)
		if err != nil {
			return nil, &spec.Refusal{Text: spec.CannotOpenLogFile(c.Settings.LogFile, Reason(err)).Text}
		}
		l.file = file
	}
	if c.SSHLog.File != "" {
		file, err := openAppending(c.SSHLog.File, 0o600) // as ssh
		if err != nil {
			l.Close()
			return nil, &spec.Refusal{Text: fmt.Sprintf("Couldn't open logfile %s: %v", foreign.Own(c.SSHLog.File), Reason(err))}
		}
		l.ssh = file
	}
	return l, nil
}

func openAppending(path string, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode)
}

// Close closes the files.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	if file, ok := l.ssh.(*os.File); ok {
		file.Close()
	}
	l.syslog.close()
}

// SetGrade says how much of ssh's lines is shown.
func (l *Log) SetGrade(g Grade) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grade = g
}

// Shows reports whether lines of ssh's of that grade are shown.
func (l *Log) Shows(g Grade) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return g <= l.grade
}

// LeaveTerminal forgets standard error.
func (l *Log) LeaveTerminal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stderr = nil
}

// Say logs what autossh says.
func (l *Log) Say(entries ...spec.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		l.sayLocked(e, l.debug)
	}
}

// Record is Say for what has been printed already.
func (l *Log) Record(e spec.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil || l.syslog.there() {
		l.sayLocked(e, false)
	}
}

// sayLocked writes one entry; copied: to standard error, too, where it goes to syslog.
func (l *Log) sayLocked(e spec.Entry, copied bool) {
	if e.Level > l.level {
		return
	}
	if l.file != nil {
		io.WriteString(l.file, spec.FileLine(time.Now(), l.name, os.Getpid(), e.Text))
		return
	}
	sent := l.syslog.send(spec.SyslogLine(time.Now(), l.name, os.Getpid(), e))
	if l.stderr != nil && (copied || !sent) {
		io.WriteString(l.stderr, spec.StderrLine(l.name, os.Getpid(), e.Text))
	}
}

// SSH logs lines that ssh would have said.
func (l *Log) SSH(g Grade, lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g > l.grade {
		return
	}
	for _, text := range lines {
		text = foreign.Own(strings.TrimRight(text, "\r\n")).String()
		out := cmp.Or(l.ssh, l.stderr)
		if l.system {
			l.syslog.send(spec.SyslogLine(time.Now(), "ssh", os.Getpid(), spec.Entry{Level: g.priority(), Text: text}))
		} else if out != nil {
			io.WriteString(out, text+"\r\n") // as ssh: the terminal may be raw
		}
		entry := spec.Entry{Level: spec.LevelInfo, Text: text}
		if g >= Debug {
			entry.Level = spec.LevelDebug
		}
		if l.file != nil || !l.system && l.syslog.there() {
			l.sayLocked(entry, false)
		}
	}
}

// Print writes to standard error alone, without any form.
func (l *Log) Print(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stderr != nil {
		io.WriteString(l.stderr, text)
	}
}
