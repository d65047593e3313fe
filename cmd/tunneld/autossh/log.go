package autossh

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/loglimit"
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

	mu      sync.Mutex // guards all following fields; held while something is written, which nobody may hold up
	file    *logFile   // AUTOSSH_LOGFILE; nil: syslog
	syslog  syslog
	stderr  io.Writer // nil: there is none any more
	ssh     *logFile  // the file of -E; nil: stderr
	system  bool      // -y
	missed  bool      // it was said that there is no syslog daemon for -y
	grade   Grade     // of ssh's lines that are shown
	own     *tally    // of what autossh says, without errors
	errors  *tally    // of those
	words   *tally    // of what ssh would have said
	verbose *tally    // of debugging output of both
	added   []string  // by Add, the last time
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

// logFile is a file, which may be a pipe that nobody reads, and the way in which lines get there.
type logFile struct {
	file *os.File
	way  *loglimit.Outlet
}

// OpenLog opens the files. stderr must not hold anybody up. An error is to be said as autossh says it; nothing is open then.
func OpenLog(c *spec.Command, stderr io.Writer) (*Log, error) {
	l := &Log{
		name: c.Name, level: c.Settings.LogLevel, debug: c.Settings.Debug, stderr: stderr, system: c.SSHLog.Syslog, grade: Info,
		own: newTally(lineBudget), errors: newTally(lineBudget), words: newTally(lineBudget), verbose: newTally(debugBudget),
	}
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

func openAppending(path string, mode os.FileMode) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, mode)
	if err != nil {
		return nil, err
	}
	return &logFile{file, loglimit.NewOutlet(file)}, nil
}

// Close sums up what was left out, and closes the files.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sumUpLocked()
	for _, f := range []*logFile{l.file, l.ssh} {
		if f != nil {
			f.file.Close()
		}
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

// LeaveTerminal forgets standard error. Where nothing of what is logged from now on would be seen, it says so.
func (l *Log) LeaveTerminal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stderr != nil && l.file == nil && !l.syslog.there() {
		io.WriteString(l.stderr, l.name+": no syslog daemon takes messages: in the background nothing is logged until one does; AUTOSSH_LOGFILE names a file\n")
	}
	l.stderr = nil
}

// Say logs what autossh says, as far as the budget goes.
func (l *Log) Say(entries ...spec.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		if e.Level <= l.level {
			l.tallyLocked(e.Level).pass(time.Now(), wordsOf(e.Text), e.Text, func(text string) {
				l.sayLocked(spec.Entry{Level: e.Level, Text: text}, l.debug)
			})
		}
	}
}

// SayLast is Say for how autossh ends, which is said whatever was before.
func (l *Log) SayLast(entries ...spec.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sumUpLocked()
	for _, e := range entries {
		l.sayLocked(e, l.debug)
	}
}

func (l *Log) tallyLocked(level spec.Level) *tally {
	switch {
	case level >= spec.LevelDebug:
		return l.verbose
	case level <= spec.LevelError:
		return l.errors
	}
	return l.own
}

func (l *Log) sumUpLocked() {
	for _, t := range []*tally{l.errors, l.own, l.words, l.verbose} {
		t.sumUp(func(text string) { l.sayLocked(spec.Entry{Level: spec.LevelInfo, Text: text}, l.debug) })
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
		io.WriteString(l.file.way, spec.FileLine(time.Now(), l.name, os.Getpid(), e.Text))
		return
	}
	sent := l.syslog.send(spec.SyslogLine(time.Now(), l.name, os.Getpid(), e))
	if l.stderr != nil && (copied || !sent) {
		io.WriteString(l.stderr, spec.StderrLine(l.name, os.Getpid(), e.Text))
	}
}

// SSH logs lines that ssh would have said, as far as the budget goes.
func (l *Log) SSH(g Grade, lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g > l.grade {
		return
	}
	t, words := l.words, "words of ssh"
	if g >= Debug {
		t, words = l.verbose, "debugging output of ssh"
	}
	for _, text := range lines {
		t.pass(time.Now(), words, text, func(text string) { l.sshLocked(g, text) })
	}
}

// Add says what tunneld has to add to the words of ssh at the end of an attempt: nothing where that is what it added to the one before,
// as it is every few seconds with AUTOSSH_GATETIME 0.
func (l *Log) Add(lines []string) {
	l.mu.Lock()
	known := slices.Equal(lines, l.added)
	l.added = lines
	l.mu.Unlock()
	if !known {
		l.SSH(Info, lines...)
	}
}

// sshLocked writes a line of ssh's: to where ssh would have written it, and to autossh's log.
func (l *Log) sshLocked(g Grade, text string) {
	text = foreign.Own(strings.TrimRight(text, "\r\n")).String()
	if !l.system || !l.syslog.send(spec.SyslogLine(time.Now(), "ssh", os.Getpid(), spec.Entry{Level: g.priority(), Text: text})) {
		l.printLocked(text)
	}
	entry := spec.Entry{Level: spec.LevelInfo, Text: text}
	if g >= Debug {
		entry.Level = spec.LevelDebug
	}
	if l.file != nil || !l.system && l.syslog.there() {
		l.sayLocked(entry, false)
	}
}

// printLocked writes a line to the file of -E, or to standard error; with -y where there is no syslog daemon, which it says once.
func (l *Log) printLocked(text string) {
	out := l.stderr
	if l.ssh != nil {
		out = l.ssh.way
	}
	if out == nil {
		return
	}
	if l.system && !l.missed {
		l.missed = true
		io.WriteString(out, l.name+": no syslog daemon takes the messages of -y: they are written here\r\n")
	}
	io.WriteString(out, text+"\r\n") // as ssh: the terminal may be raw
}
