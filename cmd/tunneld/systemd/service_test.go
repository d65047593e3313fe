package systemd

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/monitor"
)

// A watchdog that is fed by a ticker alone would not see a loop that hangs.
func TestWatchdogIsFedOnlyWhileTheLoopsTurn(t *testing.T) {
	dir, err := os.MkdirTemp("", "feed-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
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
