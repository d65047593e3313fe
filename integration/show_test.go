package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestStatusShowsWhatRuns(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.account.expect(1, "no tunnel is running\ntunneld: hint: start one", "status")
	l.account.expect(1, "no tunnel is running", "health")
	l.up(2, "one", "two")
	conn := one.connect(t)
	check(t, exchange(conn, "hello", patience))

	text := l.account.expect(0, `(?m)^one · up`, "status")
	for _, want := range []string{"two · up", one.address, "1 open 1 total"} {
		if !strings.Contains(text, want) {
			t.Errorf("the status does not say %q:\n%s", want, text)
		}
	}
	if s := l.account.status("one"); s.Version != 1 || len(s.Tunnels) != 1 || s.Tunnels[0].State != "up" ||
		s.Tunnels[0].Forwards[0].Bound[0] != one.address || s.Tunnels[0].Forwards[0].Open != 1 {
		t.Errorf("status --json one says %+v", s)
	}
	if s := l.account.status("t*"); len(s.Tunnels) != 1 || s.Tunnels[0].Name != "two" {
		t.Errorf("status --json 't*' says %+v", s)
	}
	l.account.expect(0, "^$", "health")
	l.account.expect(1, "onw: no tunnel of that name is running\ntunneld: hint: did you mean one", "status", "onw")
}

func TestWatchRedraws(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.up(1, "one")
	c := l.account.tunneld("status", "--watch")
	eventually(t, patience, "it is shown twice", func() bool { return strings.Count(c.text(), "one · up") >= 2 })
	c.signal(syscall.SIGINT)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestListenShowsAndDoesNotSteer(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	address := loopback(freePort(t))
	c := l.up(1, "one", "--listen", address)
	get := func(method, path string) (int, string) {
		request, err := http.NewRequestWithContext(context.Background(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	for path, want := range map[string]string{
		"/": "<html", "/status": `"name": "one"`, "/livez": "ok", "/readyz": "ok", "/metrics": `tunneld_up{tunnel="one"} 1`,
	} {
		if code, body := get("GET", path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d, want 200 and %q in\n%.2000s", path, code, want, body)
		}
	}
	for _, path := range []string{"/down", "/reconnect", "/reload", "/status", "/"} {
		if code, _ := get("POST", path); code != 405 && code != 404 {
			t.Errorf("POST %s: %d, want a refusal", path, code)
		}
	}
	check(t, one.works(patience))
	if !c.running() {
		t.Error("it has ended")
	}

	taken := l.account.path("config")
	l.account.expect(2, "--listen "+address+": .*in use\ntunneld: hint: ", "up", "-F", taken, "two", "--listen", address)

	l.server.kill()
	eventually(t, patience, "not ready, but alive", func() bool {
		ready, reason := get("GET", "/readyz")
		alive, _ := get("GET", "/livez")
		return ready == 503 && strings.Contains(reason, "one: ") && alive == 200
	})
	l.account.expect(1, "one: ", "health")
}

func TestPIDFileIsExclusive(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	path, config := l.account.path("pid"), l.account.path("config")
	c := l.up(1, "one", "--pidfile", path)
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(c.pid()) {
		t.Errorf("the file holds %q, %v; want %d", text, err, c.pid())
	}
	l.account.expect(2, fmt.Sprintf("process %d lives\ntunneld: hint: ", c.pid()), "up", "-F", config, "two", "--pidfile", path)
	c.signal(syscall.SIGKILL)
	c.waitExit(t, patience)
	c = l.up(1, "one", "--pidfile", path) // what a crash left over is no obstacle
	c.signal(syscall.SIGTERM)
	c.waitExit(t, patience)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	writeFile(t, path, fmt.Sprintln(os.Getpid())) // nor is its number, when another process has it by now
	l.up(1, "one", "--pidfile", path)
	diary := l.account.path("diary")
	writeFile(t, diary, "dear diary\n")
	l.account.expect(2, "--pidfile "+diary+": .*number\ntunneld: hint: ", "up", "-F", config, "two", "--pidfile", diary)
	if text, _ := os.ReadFile(diary); string(text) != "dear diary\n" {
		t.Errorf("somebody's file holds %q now", text)
	}
}

func TestDebugExplainsAConnection(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.up(1, "one", "-v")
	for what, match := range map[string]func(line) bool{
		"where a value comes from": func(l line) bool { return regexp.MustCompile(`Port .*config:\d+`).MatchString(l.field("says")) },
		"the address":              said("resolved"),
		"the host key":             func(l line) bool { return l.field("msg") == "keys exchanged" && l.field("fingerprint") != "" },
		"who vouches for it":       func(l line) bool { return strings.HasSuffix(l.field("line"), "known_hosts:1") },
		"the offered key":          said("offering public key"),
		"the algorithms":           func(l line) bool { return l.field("msg") == "authenticated" && l.field("cipher") != "" },
	} {
		c.waitLine(t, 0, patience, what, match)
	}
}

func TestCompletionOffersNames(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	config := l.account.path("config")
	for _, command := range []string{"up", "config", "explain", "check"} {
		l.account.expect(0, "(?m)^one$", "__complete", command, "-F", config, "o")
	}
	l.account.expect(0, "(?m)^two\n:4", "__complete", "up", "-F", config, "one", "")
	l.up(1, "one")
	for _, command := range []string{"status", "reconnect", "down", "reload", "health"} {
		l.account.expect(0, "(?m)^one\tup", "__complete", command, "")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		l.account.expect(0, "tunneld", "completion", shell)
	}
}
