//go:build unix

package hook

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/config"
)

func TestCommand(t *testing.T) {
	var log bytes.Buffer
	o := &config.Options{Alias: "db", HostName: "10.0.0.1", Port: 22, User: "bob"}
	run := func(text string) error {
		return Command{Keyword: "TunneldOnUp", Text: text, Environ: Environ("up", "tunnel", o), Log: slog.New(slog.NewTextHandler(&log, nil))}.Run(t.Context())
	}
	if err := run(`test "$TUNNELD_EVENT $TUNNELD_NAME $TUNNELD_ALIAS $TUNNELD_HOST $TUNNELD_PORT $TUNNELD_USER" = "up tunnel db 10.0.0.1 22 bob"`); err != nil {
		t.Error(err)
	}
	var failed *Error
	if err := run("echo one >&2; echo two >&2; exit 3"); !errors.As(err, &failed) || err.Error() != "TunneldOnUp ended (exit status 3): two" {
		t.Errorf("%v", err)
	}
	if !strings.Contains(log.String(), "msg=TunneldOnUp stderr=one") {
		t.Errorf("the log has no standard error:\n%s", log.String())
	}
}

// What a command has started ends with it, and does not keep it from ending.
func TestCommandLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	began := time.Now()
	if err := (Command{Text: "sleep 1000 & echo $! > " + path, Log: slog.New(slog.DiscardHandler)}).Run(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	awaitGone(t, path)
}

func TestCommandEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Command{Text: "sleep 1000 & echo $! > " + path + "; wait", Log: slog.New(slog.DiscardHandler)}.Run(ctx)
	}()
	await(t, "the command runs", func() bool { text, _ := os.ReadFile(path); return len(text) > 1 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	awaitGone(t, path)
}

func awaitGone(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the child is gone", func() bool {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return syscall.Kill(pid, 0) != nil || bytes.Contains(stat, []byte(") Z "))
	})
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// All who ask while it runs get one result, and those who ask soon after.
func TestSharedRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewShared[int64](time.Second)
		var runs atomic.Int64
		do := func(ctx context.Context) (int64, error) {
			n := runs.Add(1)
			<-time.After(time.Minute)
			return n, ctx.Err()
		}
		ask := func(want int64) {
			if n, err := s.Do(t.Context(), "x", do); n != want || err != nil {
				t.Errorf("%d, %v; want %d", n, err, want)
			}
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { ask(1) })
		}
		all.Wait()
		ask(1)
		time.Sleep(2 * time.Second)
		ask(2)
	})
}

// A run goes on for those who still wait for it, and ends with the last of them.
func TestSharedEndsWithTheLastWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shared[int]
		ended := false
		do := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			ended = true
			return 0, ctx.Err()
		}
		first, leaveFirst := context.WithCancel(t.Context())
		second, leaveSecond := context.WithCancel(t.Context())
		for _, ctx := range []context.Context{first, second} {
			go s.Do(ctx, "x", do)
		}
		synctest.Wait()
		leaveFirst()
		synctest.Wait()
		if ended {
			t.Error("it ended with the first")
		}
		leaveSecond()
		synctest.Wait()
		if !ended {
			t.Error("it goes on for nobody")
		}
	})
}
