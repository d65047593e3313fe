package main

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// An answer without end on a control socket cost status 498 MB.
func TestAnswerWithoutEnd(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, answer := range map[string][2]string{
		"in a string": {ok + "\r\n" + `{"tunnels":[{"name":"`, strings.Repeat("x", 64<<10)},
		"of tunnels":  {ok + "\r\n" + `{"tunnels":[{}`, strings.Repeat(",{}", 20<<10)},
		"of nothing":  {ok + "\r\n" + `{"tunnels":[null`, strings.Repeat(",null", 10<<10)},
		"of blanks":   {ok + "\r\n", strings.Repeat(" ", 64<<10)},
		"of headers":  {ok, strings.Repeat("X-More: and more\r\n", 4<<10)},
		"of one line": {"HTTP/1.1 200 ", strings.Repeat("O", 64<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			listener, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			written := make(chan int, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				total := 0
				for part := answer[0]; err == nil && total < 1<<30; part = answer[1] {
					var n int
					n, err = io.WriteString(conn, part)
					total += n
				}
				written <- total
			}()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err = newInstance(path).ask(t.Context())
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it was taken for an answer")
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("%d bytes were allocated for it", grown)
			}
			if n := <-written; n > maxReport+4<<20 {
				t.Errorf("%d bytes of it were read", n)
			}
		})
	}
}

func TestAnswerOfManySmallValues(t *testing.T) {
	var report controlReport
	if err := readAnswer(strings.NewReader(`{"tunnels":[`+strings.Repeat("null,", maxReportValues)+`null]}`), &report); !errors.Is(err, errLongAnswer) {
		t.Errorf("it was taken, with %v", err)
	}
}
