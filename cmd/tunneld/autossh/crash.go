package autossh

import "github.com/tunneld/tunneld/cmd/tunneld/background"

// CatchCrash has what Go says of a crash, which goes to standard error and so to /dev/null behind -f, written to the file of
// AUTOSSH_LOGFILE or of -E as well. It is false where there is none: syslog cannot have it, since the runtime writes a few bytes at a
// time, each of which would be a message.
func (l *Log) CatchCrash() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range []*logFile{l.file, l.ssh} {
		if f != nil && background.CrashTo(f.file) == nil {
			return true
		}
	}
	return false
}
