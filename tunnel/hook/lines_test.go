package hook

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tunneld/tunneld/tunnel/sshtest"
)

func TestLinesOfStandardError(t *testing.T) {
	var said bytes.Buffer
	l := &Lines{Log: slog.New(slog.NewTextHandler(&said, nil)), Level: slog.LevelWarn, Name: "proxycommand"}
	for _, part := range []string{"one", " line\r\n\n", "two\nthree"} {
		l.Write([]byte(part))
	}
	if last := l.Last(); last.String() != "three" {
		t.Errorf("last line %q", last)
	}
	l.Write(bytes.Repeat([]byte("x"), 3*longestLine))
	for _, want := range []string{`stderr="one line"`, "stderr=two", "stderr=three", "stderr=" + strings.Repeat("x", longestLine)} {
		if strings.Count(said.String(), "msg=proxycommand "+want+"\n") < 1 {
			t.Errorf("the log has no %s:\n%s", want, said.String())
		}
	}
	if len(l.begun) > longestLine {
		t.Error("a long line is kept in memory")
	}
}

// FuzzLines reads what a command says on its standard error, in pieces of any size.
func FuzzLines(f *testing.F) {
	f.Add([]byte("ssh: connect to host x port 22: Connection refused\r\n"), 3)
	f.Add([]byte("no end"), 1)
	f.Add([]byte("\x1b[2J\n\n \nlevel=ERROR msg=\"forged\"\n"), 100)
	f.Add(bytes.Repeat([]byte("x"), 3*longestLine), 1000)
	f.Fuzz(func(t *testing.T, said []byte, piece int) {
		if piece < 1 {
			t.Skip()
		}
		var log bytes.Buffer
		l := &Lines{Log: slog.New(slog.NewTextHandler(&log, nil)), Name: "TunneldOnUp"}
		for words := said; len(words) > 0; {
			n := min(piece, len(words))
			if wrote, err := l.Write(words[:n]); wrote != n || err != nil {
				t.Fatalf("%d of %d bytes taken, %v", wrote, n, err)
			}
			words = words[n:]
		}
		last := l.Last()
		if len(last.String()) > longestLine*utf8.UTFMax || cap(l.begun) > 4*longestLine {
			t.Errorf("the last line has %d bytes, and %d are kept", len(last.String()), cap(l.begun))
		}
		for line := range strings.Lines(log.String()) {
			sshtest.PlainText(t, strings.TrimSuffix(line, "\n"))
		}
		sshtest.PlainText(t, (&Error{"TunneldOnUp", "ended", last, errors.New("x")}).Error())
	})
}
