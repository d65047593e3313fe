package service

import (
	"context"
	"fmt"
	"github.com/tunneld/tunneld/integration/lab"
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
	l.Account.Expect(0, "^tunneld: no tunnel is running\ntunneld: hint: start one", "status")
	l.Account.Expect(1, "no tunnel is running", "health")
	l.Up(2, "one", "two")
	conn := one.Connect(t)
	lab.Check(t, lab.Exchange(conn, "hello", lab.Patience))

	text := l.Account.Expect(0, `(?m)^one · up`, "status")
	for _, want := range []string{"two · up", one.Address, "1 open 1 total"} {
		if !strings.Contains(text, want) {
			t.Errorf("the status does not say %q:\n%s", want, text)
		}
	}
	if s := l.Account.Status("one"); s.Version != 1 || len(s.Tunnels) != 1 || s.Tunnels[0].State != "up" ||
		s.Tunnels[0].Forwards[0].Bound[0] != one.Address || s.Tunnels[0].Forwards[0].Open != 1 {
		t.Errorf("status --json one says %+v", s)
	}
	if s := l.Account.Status("t*"); len(s.Tunnels) != 1 || s.Tunnels[0].Name != "two" {
		t.Errorf("status --json 't*' says %+v", s)
	}
	l.Account.Expect(0, "^$", "health")
	l.Account.Expect(1, "onw: no tunnel of that name is running\ntunneld: hint: did you mean one", "status", "onw")
}

func TestWatchRedraws(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	l.Up(1, "one")
	c := l.Account.Tunneld("status", "--watch")
	lab.Eventually(t, lab.Patience, "it is shown twice", func() bool { return strings.Count(c.Text(), "one · up") >= 2 })
	c.Signal(syscall.SIGINT)
	if code := c.WaitExit(t, lab.Patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestListenShowsAndDoesNotSteer(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	address := lab.Loopback(lab.FreePort(t))
	c := l.Up(1, "one", "--listen", address)
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
	lab.Check(t, one.Works(lab.Patience))
	if !c.Running() {
		t.Error("it has ended")
	}

	taken := l.Account.Path("config")
	l.Account.Expect(2, "--listen "+address+": .*in use\ntunneld: hint: ", "up", "-F", taken, "two", "--listen", address)

	l.Server.Kill()
	lab.Eventually(t, lab.Patience, "not ready, but alive", func() bool {
		ready, reason := get("GET", "/readyz")
		alive, _ := get("GET", "/livez")
		return ready == 503 && strings.Contains(reason, "one: ") && alive == 200
	})
	l.Account.Expect(1, "one: ", "health")
}

func TestPIDFileIsExclusive(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	path, config := l.Account.Path("pid"), l.Account.Path("config")
	c := l.Up(1, "one", "--pidfile", path)
	if text, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(text)) != strconv.Itoa(c.Pid()) {
		t.Errorf("the file holds %q, %v; want %d", text, err, c.Pid())
	}
	l.Account.Expect(2, fmt.Sprintf("process %d lives\ntunneld: hint: ", c.Pid()), "up", "-F", config, "two", "--pidfile", path)
	c.Signal(syscall.SIGKILL)
	c.WaitExit(t, lab.Patience)
	c = l.Up(1, "one", "--pidfile", path) // what a crash left over is no obstacle
	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	lab.WriteFile(t, path, fmt.Sprintln(os.Getpid())) // nor is its number, when another process has it by now
	l.Up(1, "one", "--pidfile", path)
	diary := l.Account.Path("diary")
	lab.WriteFile(t, diary, "dear diary\n")
	l.Account.Expect(2, "--pidfile "+diary+": .*number\ntunneld: hint: ", "up", "-F", config, "two", "--pidfile", diary)
	if text, _ := os.ReadFile(diary); string(text) != "dear diary\n" {
		t.Errorf("somebody's file holds %q now", text)
	}
}

func TestDebugExplainsAConnection(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.Up(1, "one", "-v")
	for what, match := range map[string]func(lab.Line) bool{
		"where a value comes from": func(l lab.Line) bool { return regexp.MustCompile(`Port .*config:\d+`).MatchString(l.Field("says")) },
		"the address":              lab.Said("resolved"),
		"the host key":             func(l lab.Line) bool { return l.Field("msg") == "keys exchanged" && l.Field("fingerprint") != "" },
		"who vouches for it":       func(l lab.Line) bool { return strings.HasSuffix(l.Field("line"), "known_hosts:1") },
		"the offered key":          lab.Said("offering public key"),
		"the algorithms":           func(l lab.Line) bool { return l.Field("msg") == "authenticated" && l.Field("cipher") != "" },
	} {
		c.WaitLine(t, 0, lab.Patience, what, match)
	}
}

func TestCompletionOffersNames(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	config := l.Account.Path("config")
	for _, command := range []string{"up", "config", "explain", "check"} {
		l.Account.Expect(0, "(?m)^one$", "__complete", command, "-F", config, "o")
	}
	l.Account.Expect(0, "(?m)^two\n:4", "__complete", "up", "-F", config, "one", "")
	l.Up(1, "one")
	for _, command := range []string{"status", "reconnect", "down", "reload", "health"} {
		l.Account.Expect(0, "(?m)^one\tup", "__complete", command, "")
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		l.Account.Expect(0, "tunneld", "completion", shell)
	}
}
