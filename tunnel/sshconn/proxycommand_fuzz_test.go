package sshconn

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tunneld/tunneld/tunnel/sshtest"
)

// FuzzProxyCommandWords reads what a ProxyCommand says on its standard error, in pieces of any size.
func FuzzProxyCommandWords(f *testing.F) {
	f.Add([]byte("ssh: connect to host x port 22: Connection refused\r\n"), 3)
	f.Add([]byte("no end"), 1)
	f.Add([]byte("\x1b[2J\n\n \nlevel=ERROR msg=\"forged\"\n"), 100)
	f.Add(bytes.Repeat([]byte("x"), 3*longestLine), 1000)
	f.Fuzz(func(t *testing.T, said []byte, piece int) {
		if piece < 1 {
			t.Skip()
		}
		var log bytes.Buffer
		l := &lineLogger{log: slog.New(slog.NewTextHandler(&log, nil))}
		for words := said; len(words) > 0; {
			n := min(piece, len(words))
			if wrote, err := l.Write(words[:n]); wrote != n || err != nil {
				t.Fatalf("%d of %d bytes taken, %v", wrote, n, err)
			}
			words = words[n:]
		}
		last := l.last()
		if len(last.String()) > longestLine*utf8.UTFMax || cap(l.begun) > 4*longestLine {
			t.Errorf("the last line has %d bytes, and %d are kept", len(last.String()), cap(l.begun))
		}
		for line := range strings.Lines(log.String()) {
			sshtest.PlainText(t, strings.TrimSuffix(line, "\n"))
		}
		sshtest.PlainText(t, (&proxyError{"exit status 1", last, errors.New("x")}).Error())
	})
}
