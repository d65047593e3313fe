package main

import (
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// A process that is killed while it is asked was as good as gone.
func TestProcessThatEndsWhileItIsAsked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Read(make([]byte, 1<<10))
			conn.Close()
		}
	}()
	d := newInstance(path)
	if err := d.ask(t.Context()); err != nil || d.report.PID != 0 {
		t.Errorf("got %v and process %d, want neither", err, d.report.PID)
	}
}

func TestAnswerOfManySmallValues(t *testing.T) {
	var report controlReport
	if err := readAnswer(strings.NewReader(`{"tunnels":[`+strings.Repeat("null,", maxReportValues)+`null]}`), &report); !errors.Is(err, errLongAnswer) {
		t.Errorf("it was taken, with %v", err)
	}
}

// Whoever has a directory in which root looks can put hundreds of sockets there that answer at length: 200 of them cost
// `tunneld status` 425 MB.
func TestSocketsAreAskedAFewAtOnce(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TUNNELD_RUNTIME_DIR", dir)
	var mu sync.Mutex
	now, most, sockets := 0, 0, 4*mostAsked
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		select { // long enough for the others to come, too
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
		mu.Lock()
		now--
		mu.Unlock()
		io.WriteString(w, `{"pid": 1, "version": 1, "tunnels": []}`)
	})
	for i := range sockets {
		listener, err := rundir.ListenSocket(t.Context(), filepath.Join(dir, rundir.SocketName(fmt.Sprintf("s%d", i))))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: handler}
		go server.Serve(listener)
		t.Cleanup(func() { server.Close() })
	}
	if found, problems := findInstances(t.Context()); len(found) != sockets || problems != nil {
		t.Errorf("%d of %d answered, %v", len(found), sockets, problems)
	}
	if most > mostAsked {
		t.Errorf("%d were asked at once, want at most %d", most, mostAsked)
	}
}

// However many sockets say nothing, the search has an end, and what it has found before them is shown.
func TestSilentSocketsDoNotHoldUpTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		problems := askAll(make([]string, 1000), func(int, string) error {
			<-time.After(rundir.AskTime)
			return nil
		})
		if took := time.Since(began); took > searchTime+rundir.AskTime || len(problems) != 1 {
			t.Errorf("it took %v and gave %v", took, problems)
		}
	})
}
