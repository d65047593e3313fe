package autossh

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// syslog is the local syslog daemon's socket. It is looked for again at each message while it is not there: in a container there
// is none, and at boot it comes later than we do. The zero value is ready.
type syslog struct {
	paths  []string // where the socket may be; nil: syslogPaths
	conn   net.Conn
	stream bool // conn has no bounds of messages of its own
	late   bool // it did not take the last message in time, and is not waited for again until it takes one
}

// syslogPaths are where Linux and the BSDs have the socket.
var syslogPaths = []string{"/dev/log", "/var/run/log", "/var/run/syslog"}

// syslogTime bounds a message to a daemon that does not read.
const syslogTime = 200 * time.Millisecond

// send reports whether the message could be handed over.
func (s *syslog) send(line string) bool {
	for range 2 { // the second time to a daemon that was started anew
		if !s.there() {
			return false
		}
		limit := syslogTime
		if s.late {
			limit = time.Millisecond
		}
		s.conn.SetWriteDeadline(time.Now().Add(limit))
		n, err := s.conn.Write(s.message(line))
		s.late = errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && (!s.late || s.stream && n > 0) { // the next message would be the rest of this one
			s.close()
		}
		if err == nil || s.late {
			return err == nil
		}
	}
	return false
}

// message ends a line by a NUL where nothing else tells it from the next, as glibc's syslog(3) does.
func (s *syslog) message(line string) []byte {
	if s.stream {
		line += "\x00"
	}
	return []byte(line)
}

// there reports whether somebody takes messages.
func (s *syslog) there() bool {
	if s.conn != nil {
		return true
	}
	paths := s.paths
	if paths == nil {
		paths = syslogPaths
	}
	for _, path := range paths {
		for _, network := range []string{"unixgram", "unix"} {
			if conn, err := net.DialTimeout(network, path, syslogTime); err == nil {
				s.conn, s.stream = conn, network == "unix"
				return true
			}
		}
	}
	return false
}

func (s *syslog) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// Report sends one message to syslog before there is a Log.
func Report(name string, e spec.Entry) {
	var s syslog
	defer s.close()
	if s.there() {
		s.send(spec.SyslogLine(time.Now(), name, os.Getpid(), e))
	}
}

// SyslogWriter passes lines on to syslog, each of which begins with its priority in angle brackets, as for the journal. What
// syslog does not take goes to another place.
type SyslogWriter struct {
	name   string
	other  io.Writer
	mu     sync.Mutex // guards all following fields
	system syslog
}

// NewSyslogWriter returns a SyslogWriter whose messages bear name. other gets what syslog does not take.
func NewSyslogWriter(name string, other io.Writer) *SyslogWriter {
	return &SyslogWriter{name: name, other: other}
}

// Write implements io.Writer.
func (w *SyslogWriter) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range strings.Lines(string(text)) {
		e := spec.Entry{Level: spec.LevelInfo, Text: line}
		if len(line) > 3 && line[0] == '<' && line[2] == '>' {
			e.Level, e.Text = spec.Level(line[1]-'0'), line[3:]
		}
		if !w.system.send(spec.SyslogLine(time.Now(), w.name, os.Getpid(), e)) {
			if _, err := io.WriteString(w.other, e.Text); err != nil {
				return 0, err
			}
		}
	}
	return len(text), nil
}

// Close closes the way to syslog.
func (w *SyslogWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.system.close()
	return nil
}

// Reason returns an error without the names of the call and of the file.
func Reason(err error) error {
	var path *os.PathError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &call):
		err = call.Err
	}
	return plain{err}
}

// plain words an error number as strerror(3) does.
type plain struct{ err error }

func (p plain) Error() string { return capital(p.err.Error()) }
func (p plain) Unwrap() error { return p.err }

func capital(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return string(text[0]-'a'+'A') + text[1:]
	}
	return text
}
