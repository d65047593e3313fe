package autossh

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	spec "github.com/tunneld/tunneld/config/autossh"
)

// With -y and no syslog daemon, as in a container, ssh's lines were nowhere.
func TestWordsOfSSHWithoutSyslogStandOnStandardError(t *testing.T) {
	var stderr strings.Builder
	l, err := OpenLog(&spec.Command{Name: "autossh", SSHLog: spec.SSHLog{Syslog: true}, Settings: spec.Settings{LogLevel: spec.LevelInfo}}, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := filepath.Join(t.TempDir(), "log")
	l.syslog.paths = []string{path}
	l.SSH(Error, "bob@host: Permission denied (publickey).")
	l.SSH(Error, "another")
	want := "autossh: no syslog daemon takes the messages of -y: they are written here\r\nbob@host: Permission denied (publickey).\r\nanother\r\n"
	if stderr.String() != want {
		t.Errorf("standard error has %q, want %q", stderr.String(), want)
	}
	stderr.Reset()
	daemon, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	l.SSH(Error, "to the daemon")
	message := make([]byte, 1000)
	n, err := daemon.Read(message)
	if err != nil || !strings.Contains(string(message[:n]), "]: to the daemon") || !strings.Contains(string(message[:n]), " ssh[") || stderr.Len() > 0 {
		t.Errorf("the daemon gets %q, %v; standard error %q", message[:n], err, stderr.String())
	}
}

// Behind -f, in a container, nothing is seen of what is logged: that is said while somebody can read it.
func TestLeavingTheTerminalWithoutAnyLog(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		says bool
	}{{"nowhere", "", true}, {"a file", filepath.Join(t.TempDir(), "log"), false}} {
		t.Run(c.name, func(t *testing.T) {
			var stderr strings.Builder
			l, err := OpenLog(&spec.Command{Name: "autossh", Settings: spec.Settings{LogFile: c.file, LogFileSet: c.file != ""}}, &stderr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			l.syslog.paths = []string{filepath.Join(t.TempDir(), "none")}
			l.LeaveTerminal()
			l.LeaveTerminal()
			if strings.Count(stderr.String(), "no syslog daemon") > 1 || (stderr.Len() > 0) != c.says {
				t.Errorf("standard error has %q", stderr.String())
			}
		})
	}
}

// A daemon that listens on a stream took all messages for one. glibc's syslog(3) ends each by a NUL there.
func TestMessagesOnAStreamAreToldApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	s := syslog{paths: []string{path}}
	if !s.send("one") || !s.send("two") {
		t.Error("a message was not handed over")
	}
	s.close()
	conn, err := daemon.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if text, err := io.ReadAll(conn); err != nil || string(text) != "one\x00two\x00" {
		t.Errorf("the daemon gets %q, %v", text, err)
	}
}

// A message of which a daemon has taken a part is not completed by the next one.
func TestHalfAMessageOnAStreamStandsAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	s := syslog{paths: []string{path}}
	defer s.close()
	for begun := false; !begun; begun = s.conn == nil { // on a busy machine the time may be over before the first byte
		if s.send(strings.Repeat("x", 8<<20)) {
			t.Fatal("a message that is larger than the socket's buffer was handed over to nobody")
		}
	}
	for !s.send("two") {
		if s.conn == nil {
			t.Fatal("the next message went nowhere")
		}
	}
	first, err := daemon.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if text, _ := io.ReadAll(first); strings.ContainsAny(string(text), "two\x00") {
		t.Errorf("half a message ends in %q", text[max(0, len(text)-20):])
	}
	second, err := daemon.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	message := make([]byte, 10)
	if n, err := second.Read(message); string(message[:n]) != "two\x00" {
		t.Errorf("the next message is %q, %v", message[:n], err)
	}
}
