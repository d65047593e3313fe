package autossh

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	spec "github.com/tunneld/tunneld/config/autossh"
)

func TestForwardInWordsOfSSH(t *testing.T) {
	for option, want := range map[string]string{
		"8080:localhost:80": "8080, localhost:80", "*:8080:h:80": "*:8080, h:80", "localhost:8080:[::1]:80": "localhost:8080, [::1]:80", "[::]:8080:h:80": "[::]:8080, h:80",
		"8080:/run/x": "8080, /run/x", "/run/y:/run/x": "/run/y, /run/x", "/run/y:h:80": "/run/y, h:80", "1080": "1080, socks:0", "localhost:1080": "localhost:1080, socks:0",
		"[::1]:1080": "[::1]:1080, socks:0", "0:127.0.0.1:22": "0, 127.0.0.1:22",
	} {
		if listen, target := splitSpec(option); listen+", "+target != want {
			t.Errorf("%s: %s, %s, want %s", option, listen, target, want)
		}
	}
}

// Each grade has what ssh says at it, and nothing of what it says above.
func TestRecordsByGrade(t *testing.T) {
	const by, verbose, debug = "Allocated port 4711 for remote forward to h:22", "Authenticated to example.org ([10.0.0.1]:22) using \"publickey\".", "debug1: remote forward success for: listen 0, connect h:22"
	for level, want := range map[string][]string{"QUIET": nil, "ERROR": nil, "INFO": {by}, "VERBOSE": {by, verbose}, "DEBUG": {by, verbose, debug}} {
		path := filepath.Join(t.TempDir(), "ssh")
		log, err := OpenLog(&spec.Command{Name: "autossh", SSHLog: spec.SSHLog{File: path}, Settings: spec.Settings{LogFileSet: true, LogFile: path + ".log"}}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		log.SetGrade(GradeOf(level))
		logger := slog.New(log.NewHandler(false)).With("tunnel", "x")
		logger.Debug("authenticated", "host", "example.org", "address", "10.0.0.1:22", "method", "publickey")
		logger.With("forward", "-R 0:h:22").Info("listening", "listen", "localhost:4711")
		logger.With("forward", "-L 1:h:2").Warn("connection refused: its target cannot be reached", "err", &ssh.OpenChannelError{Reason: ssh.ConnectionFailed, Message: "Connection refused"})
		log.Close()
		got := logged(path)
		for _, words := range []string{by, verbose, debug} {
			if strings.Contains(got, words+"\r\n") != strings.Contains(strings.Join(want, "\n"), words) {
				t.Errorf("%s has\n%s", level, got)
			}
		}
		if refused := strings.Contains(got, "channel 0: open failed: connect failed: Connection refused"); refused != (len(want) > 0) {
			t.Errorf("%s has\n%s", level, got)
		}
	}
}

func TestAuthenticatedByAProxy(t *testing.T) {
	r := slog.Record{Message: "authenticated", Level: slog.LevelDebug}
	r.Add("host", "example.org", "address", "", "method", "password", "err", errors.New("none"))
	lines, all := inWordsOfSSH(r, "")
	if all || len(lines) == 0 || lines[0].text != `Authenticated to example.org (via proxy) using "password".` {
		t.Errorf("%v, %v", lines, all)
	}
}
