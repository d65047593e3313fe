package web

import (
	"bufio"
	"errors"
	"fmt"
	"github.com/tunneld/tunneld/cmd/tunneld/exit"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// openTestWeb serves "fine" at address until the end of the test.
func openTestWeb(t *testing.T, address string, change ...func(*http.Server)) *Server {
	t.Helper()
	door, err := Open(t.Context(), slog.New(slog.DiscardHandler), address)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range change {
		change(door.server)
	}
	door.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") }))
	t.Cleanup(door.Close)
	return door
}

// ask sends a request and returns the first line of the answer.
func askRaw(t *testing.T, conn net.Conn, request string) string {
	t.Helper()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return err.Error()
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(line)
}

func dialDoor(t *testing.T, door *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", door.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A stranger's page whose name leads to 127.0.0.1 gets nothing.
func TestDNSRebinding(t *testing.T) {
	door := openTestWeb(t, "127.0.0.1:0")
	for host, want := range map[string]string{
		"localhost": "200", "LOCALHOST:9100": "200", "localhost.:80": "200", "127.0.0.1": "200", "[::1]:9100": "200", "[::1]": "200", "10.0.0.1:80": "200",
		"evil.example": "403", "evil.example:9100": "403", "localhost.evil.example": "403", "127.0.0.1.evil.example": "403", "xlocalhost": "403",
		"2130706433.evil": "403", "127.1": "403",
	} {
		answer := askRaw(t, dialDoor(t, door), "GET /status HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if !strings.Contains(answer, " "+want+" ") {
			t.Errorf("Host %s: %q, want %s", host, answer, want)
		}
	}
	if answer := askRaw(t, dialDoor(t, door), "GET / HTTP/1.0\r\n\r\n"); !strings.Contains(answer, " 200 ") {
		t.Errorf("without a Host: %q", answer)
	}
}

// Where it listens for others, they call it by whatever name it has.
func TestNamesOfAnOpenDoor(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:9": true, "[::1]:9": true, "0.0.0.0:9": false, "[::]:9": false, "192.0.2.1:9": false} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if isLoopback(tcp) != want {
			t.Errorf("%s: only local names %v", address, !want)
		}
	}
}

// 0.0.0.0 is every IPv4 address; to Go it is every address.
func TestIPv4IsNotIPv6(t *testing.T) {
	for address, want := range map[string][2]string{
		"0.0.0.0:9100":   {"tcp4", "0.0.0.0:9100"},
		"127.0.0.1:9100": {"tcp4", "127.0.0.1:9100"},
		":9100":          {"tcp", ":9100"},
		"*:9100":         {"tcp", ":9100"},
		"[::]:9100":      {"tcp", "[::]:9100"},
		"[::1]:9100":     {"tcp", "[::1]:9100"},
		"localhost:9100": {"tcp", "localhost:9100"},
		"9100":           {"tcp", "9100"},
	} {
		if network, bind := webAddress(address); network != want[0] || bind != want[1] {
			t.Errorf("%s: %s %s, want %s", address, network, bind, want)
		}
	}
	if _, err := Open(t.Context(), slog.New(slog.DiscardHandler), "0.0.0.0"); err == nil || !strings.Contains(exit.HintOf(err), "127.0.0.1:9100") {
		t.Errorf("without a port: %v", err)
	}
}

// A body that never ends, and headers that do not, keep nothing of ours.
func TestSlowQuestions(t *testing.T) {
	door := openTestWeb(t, "127.0.0.1:0", func(s *http.Server) {
		if s.ReadTimeout <= 0 || s.ReadTimeout > 30*time.Second {
			t.Errorf("a body may take %v", s.ReadTimeout)
		}
		s.ReadTimeout = 200 * time.Millisecond
	})
	conn := dialDoor(t, door)
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
	if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), "fine") {
		t.Errorf("a slow body: %q, %v", text, err)
	}
	answer := askRaw(t, dialDoor(t, door), "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	if strings.Contains(answer, " 200 ") {
		t.Errorf("headers of 64 KiB: %q", answer)
	}
}

// Those who come and say nothing make room for those who ask.
func TestCrowdAtTheDoor(t *testing.T) {
	door := openTestWeb(t, "127.0.0.1:0")
	first := dialDoor(t, door)
	for range webConnections {
		dialDoor(t, door)
	}
	if answer := askRaw(t, dialDoor(t, door), "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !strings.Contains(answer, " 200 ") {
		t.Errorf("one more asks: %q", answer)
	}
	first.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := first.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the one who came first is still there: %v", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
