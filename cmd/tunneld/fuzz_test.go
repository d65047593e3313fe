package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/cmd/tunneld/systemd"
	"github.com/tunneld/tunneld/monitor"
)

// The targets that feed anything to the parts of the program that read what others wrote: those who ask at the control socket,
// those who answer there, and whoever else has a word in what is printed. `make fuzz` runs them for long; an ordinary test run
// takes their seeds. What a run found stays in testdata/fuzz.

// isPlain fails where text could do something to a terminal. Lines are what the caller means to be lines.
func isPlain(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			t.Fatalf("%q has %q in it", text, r)
		}
	}
}

// FuzzControlRequest asks a process without tunnels anything, as HTTP.
func FuzzControlRequest(f *testing.F) {
	for _, text := range []string{
		"GET /status HTTP/1.1\r\nHost: tunneld\r\n\r\n", "POST /down?tunnel=a&tunnel=b HTTP/1.1\r\nHost: x\r\n\r\n", "POST /reload HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /reconnect?tunnel=%1b%5b2J HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: evil\r\n\r\n", "DELETE /status HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "GET //status HTTP/1.1\r\nHost: x\r\n\r\n", "GET /readyz?standby HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /down?tunnel HTTP/1.1\r\nHost: x\r\n\r\n", "POST /down?%zz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	p := newProcess(slog.New(slog.DiscardHandler), nil, nil)
	handler := p.handler(func() ([]outcome, error) { return nil, nil })
	f.Fuzz(func(t *testing.T, text []byte) {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		body := answer.Body.Bytes()
		if len(body) > len(text)*8+256<<10 {
			t.Fatalf("%d bytes were answered with %d", len(text), len(body))
		}
		if answer.Code >= 300 && answer.Code < 400 && strings.Contains(answer.Header().Get("Location"), "//") {
			t.Errorf("sent on to %q", answer.Header().Get("Location"))
		}
		if answer.Header().Get("Content-Type") != "application/json" {
			return
		}
		if !json.Valid(body) {
			t.Errorf("answered with what is no JSON: %q", body)
		}
		if answer.Code == http.StatusOK && request.Method == http.MethodPost && len(request.URL.Query()["tunnel"]) > 0 {
			t.Errorf("a tunnel that does not run was found: %q", body)
		}
		isPlain(t, string(body))
	})
}

// says is a process that answers every question with the same text.
type says []byte

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(s)), Request: r, Header: http.Header{}}, nil
}

// FuzzControlAnswer takes what a process answers, which may be anybody's where its socket lies in a directory of others: what
// is printed then is text, in lines that begin as ours do.
func FuzzControlAnswer(f *testing.F) {
	for _, text := range []string{
		`{"pid":1,"version":1,"tunnels":[{"name":"db","state":"up","forwards":[{"spec":"-L 1:h:2","state":"failed","last_error":"x"}]}]}`,
		`{"results":[{"tunnel":"db","took_seconds":0.1}]}`, `{"results":[{"tunnel":"\u001b[2J","error":"a\nb","hint":"curl | sh\ntunneld: hint: \u009b"}]}`,
		`{"pid":1,"version":99}`, `{"pid":-1,"tunnels":[{"name":"a\u202eb","why":"\u0007"}]}`, `{"results":[{"took_seconds":1e300}]}`, `[`, ``, `null`, `"\u001b"`,
		`{"pid":"\u001b]0;x"}`, `{"version":1,"pid":2,"tunnels":[{"name":"a\tb","state":"\u001bc"}]}`, strings.Repeat(`[`, 20000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 64<<10 {
			t.Skip()
		}
		i := newInstance("/run/tunneld/x.sock")
		i.client.Transport = says(text)
		var out, problems bytes.Buffer
		failed := i.ask(t.Context())
		exit.Print(&problems, failed)
		if failed == nil {
			report := monitor.Report{Time: i.report.Time, Tunnels: i.report.Tunnels}
			if err := printTable(&out, report, false); err != nil {
				t.Fatal(err)
			}
			for _, s := range report.Tunnels {
				for _, reason := range s.Unready() {
					exit.Print(&problems, &exit.Error{Code: exit.GaveUp, Err: errors.New(reason)})
				}
				completion := s.Name + "\t" + s.Summary()
				isPlain(t, strings.Replace(completion, "\t", "", 1))
			}
		}
		exit.Print(&problems, steering{verb: "reload", done: "reloaded"}.do(t.Context(), &out, &problems, choice{i, []string{"db"}}))
		isPlain(t, out.String())
		isPlain(t, problems.String())
		for line := range strings.Lines(problems.String()) {
			if !strings.HasPrefix(line, "tunneld: ") || !strings.HasSuffix(line, "\n") {
				t.Errorf("said %q", line)
			}
		}
		if strings.Contains(problems.String(), "hint: ") && !bytes.Contains(text, []byte("hint")) {
			t.Errorf("%q made a hint: %q", text, &problems)
		}
	})
}

// FuzzSocketName has each tunnel find the name of its control socket: a file of the directory, never another's, nor hidden.
func FuzzSocketName(f *testing.F) {
	for _, name := range []string{"db", "../x", "", ".", "..", ".hidden", "-f", "a/b", "a\x00b", strings.Repeat("ä", 60), "bob@[::1]:22", "\xff", "a\x1b[2J"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file := rundir.SocketName(name)
		if len(file) > rundir.SocketNameMax+len(rundir.SocketSuffix) || file != filepath.Base(file) || strings.ContainsAny(file[:1], ".-") || strings.Contains(file, "\x00") {
			t.Errorf("%q has the socket %q", name, file)
		}
		if strings.IndexFunc(file, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
			t.Errorf("%q has the socket %q", name, file)
		}
	})
}

// FuzzNotify says anything to the service manager, as one assignment.
func FuzzNotify(f *testing.F) {
	f.Add("up, bob@db:22")
	f.Add("x\nMAINPID=1\r\nREADY=1")
	f.Add("\x1b[2J\u2028\x85\xff")
	f.Fuzz(func(t *testing.T, text string) {
		line := systemd.OneLine(text)
		if strings.ContainsAny(line, "\n\r\x00") || !utf8.ValidString(line) {
			t.Errorf("%q became %q", text, line)
		}
		isPlain(t, line)
	})
}

// FuzzPIDFile finds anything in the file of --pidfile: what is not a number of ours is never lost.
func FuzzPIDFile(f *testing.F) {
	for _, text := range []string{"", "1\n", "999999999\n", "  4\n", "-1", "4711 # db", "# my notes\n", "12\n34\n", strings.Repeat("9", 40), "\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "pid")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		held, err := rundir.WritePIDFile(path)
		if err != nil {
			if said, ok := errors.AsType[*exit.Error](err); !ok || said.Code != exit.Usage {
				t.Errorf("%q: %v", text, err)
			}
			if left, _ := os.ReadFile(path); string(left) != text {
				t.Errorf("%q was refused, and is %q now", text, left)
			}
			return
		}
		held.Remove()
		if _, err := os.Stat(path); err == nil {
			t.Error("the file is still there")
		}
		if strings.Trim(strings.TrimSpace(text), "0123456789") != "" { // blanks around a number are nobody's text
			t.Errorf("%q was overwritten", text)
		}
	})
}
