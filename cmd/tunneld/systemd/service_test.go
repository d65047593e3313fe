package systemd

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// manager returns the socket of a service manager, to which everything is told until the test has ended.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify-") // the test's own is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return socket
}

// notified returns what a service manager is told of what is done, in messages of which it reads none before the end.
func notified(t *testing.T, do func(*Service)) (messages []string, log string) {
	t.Helper()
	socket := manager(t)
	var said bytes.Buffer
	do(NewService(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	for message := make([]byte, 1000); ; {
		n, err := socket.Read(message)
		if err != nil {
			return messages, said.String()
		}
		messages = append(messages, string(message[:n]))
	}
}

// A reload that ended while the process stopped said that it was ready, and how well it was.
func TestNothingIsToldAfterStopping(t *testing.T) {
	messages, _ := notified(t, func(s *Service) {
		s.Ready("up")
		s.Reloading()
		s.Stopping()
		s.Ready("up")
		s.Status("down")
		s.Reloading()
	})
	if n := len(messages); n != 3 || !strings.HasPrefix(messages[n-1], "STOPPING=1\nSTATUS=stopping: ") {
		t.Errorf("told %q", messages)
	}
}

// What a reload had said was the last word, though it was so no more: only what was told otherwise was remembered.
func TestStatusIsToldWhereItIsNews(t *testing.T) {
	messages, _ := notified(t, func(s *Service) {
		for _, text := range []string{"up", "up", "down"} {
			s.Status(text)
		}
		s.Ready("up")
		s.Status("up")
		s.Status("down")
	})
	if want := []string{"STATUS=up", "STATUS=down", "READY=1\nSTATUS=up", "STATUS=down"}; !slices.Equal(messages, want) {
		t.Errorf("told %q, want %q", messages, want)
	}
}

// One that waits for READY=1 and reads no more held up the process, which heard no signal any more, as soon as its queue was full.
func TestManagerThatReadsNoMore(t *testing.T) {
	_, log := notified(t, func(s *Service) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				began := time.Now()
				if s.Feed(began); time.Since(began) >= tellTime {
					return
				}
			}
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("it waits for the service manager")
		}
	})
	if !strings.Contains(log, "service manager not told") {
		t.Errorf("its queue was never full, or nobody says so: %q", log)
	}
}

// A watchdog that is fed by a ticker alone would not see a loop that hangs.
func TestWatchdogIsFedOnlyWhileTheLoopsTurn(t *testing.T) {
	socket := manager(t)
	var said bytes.Buffer
	s := NewService(slog.New(slog.NewTextHandler(&said, nil)))

	s.Feed(time.Now().Add(-2 * monitor.StuckAfter))
	socket.SetReadDeadline(time.Now())
	message := make([]byte, 100)
	if n, err := socket.Read(message); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("told %q, %v, though a loop stands still", message[:n], err)
	}
	if !strings.Contains(said.String(), "stands still") {
		t.Errorf("nobody is told why: %q", said.String())
	}
	s.Feed(time.Now())
	socket.SetReadDeadline(time.Now().Add(time.Second))
	if n, err := socket.Read(message); string(message[:n]) != "WATCHDOG=1" {
		t.Errorf("told %q, %v", message[:n], err)
	}
}

func TestStatusTextCanNotSmuggleAssignments(t *testing.T) {
	if got := OneLine("lost\nREADY=1\r"); got != "lost READY=1 " {
		t.Errorf("%q", got)
	}
}
