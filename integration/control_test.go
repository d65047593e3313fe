package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask runs one of the commands that talk to a running tunneld, and gives what it printed and its exit code.
func (a *account) ask(words ...string) (text string, code int) {
	a.t.Helper()
	c := a.tunneld(words...)
	code = c.waitExit(a.t, patience)
	return c.text(), code
}

// expect runs a command that has to end with code and to print what matches.
func (a *account) expect(code int, says string, words ...string) string {
	a.t.Helper()
	text, got := a.ask(words...)
	if got != code {
		a.t.Errorf("tunneld %s: exit code %d, want %d; it said\n%s", strings.Join(words, " "), got, code, text)
	}
	if !regexp.MustCompile(says).MatchString(text) {
		a.t.Errorf("tunneld %s says\n%swant %q", strings.Join(words, " "), text, says)
	}
	return text
}

// statusJSON is what the tests read of `tunneld status --json`.
type statusJSON struct {
	Version int
	Tunnels []struct {
		Name, State string
		Sessions    []struct {
			UpSince string `json:"up_since"`
		}
		Replacements int
		Forwards     []struct {
			Kind, Spec, State string
			Bound             []string
			Open, Total       int
		}
	}
}

func (a *account) status(words ...string) (s statusJSON) {
	a.t.Helper()
	text, _ := a.ask(append([]string{"status", "--json"}, words...)...)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		a.t.Fatalf("status --json says %q: %v", text, err)
	}
	return s
}

// two gives an account with the aliases one and two, each with an echo server behind a local forward, and their routes.
func two(t *testing.T) (l *lab, one, other route) {
	t.Helper()
	l = newLab(t)
	l.account.forget()
	target := startTarget(t, echo).address()
	one, other = localRoute(t, target), localRoute(t, target)
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+target)
	l.account.host("two", l.relay.port, "LocalForward "+other.address+" "+target)
	return l, one, other
}

// up starts tunnels by alias and waits until each is up.
func (l *lab) up(count int, words ...string) *child {
	l.t.Helper()
	c := l.account.tunneld(append([]string{"up", "-F", l.account.path("config"), "--log-format", "json"}, words...)...)
	eventually(l.t, patience, "every tunnel is up", func() bool { return len(c.matching(isUp)) >= count || !c.running() })
	return c
}

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

func TestReconnectLosesNobody(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.up(1, "one")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	l.account.expect(0, "one: reconnected in ", "reconnect", "one")
	check(t, exchange(open, "after, on the old connection", patience))
	check(t, one.works(patience))
	if s := l.account.status("one"); s.Tunnels[0].Replacements != 1 {
		t.Errorf("%d replacements, want 1", s.Tunnels[0].Replacements)
	}
	l.account.expect(2, "which tunnel", "reconnect")
}

func TestReconnectThatFailsKeepsTheConnection(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.up(1, "one")
	open := one.connect(t)
	l.relay.shut()
	l.account.expect(1, "tunneld: one: .*refused", "reconnect", "one")
	check(t, exchange(open, "still there", patience))
}

func TestDownStopsOneAndTheLastEndsTheProcess(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	c := l.up(2, "one", "two")
	l.account.expect(0, "one: stopped", "down", "one")
	if accepts(one.address) {
		t.Error("the port of what was stopped still accepts")
	}
	check(t, other.works(patience))
	if s := l.account.status(); len(s.Tunnels) != 1 || s.Tunnels[0].Name != "two" {
		t.Errorf("the status after it: %+v", s)
	}
	l.account.expect(0, "two: stopped", "down", "*")
	l.up(1, "one") // everything is free the moment that down returns
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestReloadChangesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	l.up(1, "one")
	open := one.connect(t)
	check(t, exchange(open, "before", patience))
	added := localRoute(t, startTarget(t, echo).address())
	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one), "LocalForward "+added.address+" "+targetOf(added))
	l.account.expect(0, "one: reloaded", "reload", "one")
	check(t, exchange(open, "after", patience))
	check(t, added.works(patience))
	if l.relay.count() != 1 {
		t.Errorf("%d connections to the server, want the one of before", l.relay.count())
	}

	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+other.address) // no target
	l.account.expect(1, "(?s)one: .*config:.*LocalForward", "reload", "one")
	check(t, exchange(open, "after a broken configuration", patience))
	check(t, added.works(patience))
}

// targetOf gives the target in the flags of a local route.
func targetOf(r route) string { return strings.TrimPrefix(r.flags[1], r.address+":") }

func TestOneThatIsRefusedLeavesTheOthers(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	l.account.forget()
	l.account.host("bad", l.relay.port, "UserKnownHostsFile /dev/null", "LocalForward "+loopback(freePort(t))+" 127.0.0.1:1")
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one))
	c := l.up(1, "bad", "one")
	eventually(t, patience, "bad is shown as failed", func() bool {
		s := l.account.status()
		return len(s.Tunnels) == 2 && s.Tunnels[0].State == "failed" && s.Tunnels[1].State == "up"
	})
	check(t, one.works(patience))
	l.account.expect(0, `bad · failed(?s).*host key`, "status")
	l.account.expect(1, "bad: failed", "health")
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 3 {
		t.Errorf("exit code %d, want 3 because of bad", code)
	}
	twoLines(t, c.text(), "bad: .*host key")
}

func TestReloadTriesAgainWhatFailed(t *testing.T) {
	t.Parallel()
	l, one, other := two(t)
	known, err := os.ReadFile(l.account.path("known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	l.account.forget()
	l.account.host("one", l.relay.port, "LocalForward "+one.address+" "+targetOf(one))
	l.account.host("two", l.relay.port, "UserKnownHostsFile "+l.account.path("later"), "LocalForward "+other.address+" "+targetOf(other))
	c := l.up(1, "one", "two")
	eventually(t, patience, "two has failed", func() bool { return l.account.status("two").Tunnels[0].State == "failed" })
	writeFile(t, l.account.path("later"), string(known))
	l.account.expect(0, "two: reloaded", "reload", "two")
	check(t, other.works(patience))
	c.signal(syscall.SIGTERM)
	if code := c.waitExit(t, patience); code != 0 {
		t.Errorf("exit code %d, want 0: it was mended", code)
	}
}

func TestControlSocketIsPrivateAndNeverTaken(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.up(2, "two", "one")
	path := filepath.Join(l.account.path("run"), "two.sock") // the first that was typed
	for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	config := l.account.path("config")
	for _, words := range [][]string{{"two"}, {"one"}, {"-D", loopback(freePort(t)), "--name", "one", "two"}} {
		l.account.expect(2, fmt.Sprintf("already running as process %d\ntunneld: hint: ", c.pid()), append([]string{"up", "-F", config}, words...)...)
	}
	l.account.expect(0, "(?m)^two · up", "status")

	frozen := stopTree(c.pid())
	eventually(t, patience, "it does not answer", func() bool { // a thread may get to finish what it does
		text, _ := l.account.ask("status")
		return strings.Contains(text, "does not answer")
	})
	l.account.expect(2, "two: already running\n", "up", "-F", config, "two")
	frozen.signal(syscall.SIGCONT)
	l.account.expect(0, "(?m)^two · up", "status")
	c.signal(syscall.SIGTERM)
	c.waitExit(t, patience)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there after the end: %v", err)
	}
}

func TestControlSocketOfADeadDaemonIsReplaced(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.up(1, "one")
	c.signal(syscall.SIGKILL)
	c.waitExit(t, patience)
	l.account.expect(1, "no tunnel is running", "status")
	l.up(1, "one")
	check(t, one.works(patience))
	l.account.expect(0, "(?m)^one · up", "status")
}

func TestControlSocketWithALongPath(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	dir := filepath.Join(l.account.dir, strings.Repeat("long", 40))
	l.prefix = []string{"env", "TUNNELD_RUNTIME_DIR=" + dir}
	c := l.account.run(tunneld, l.words(l.account.binary(), "up", "-F", l.account.path("config"), "--log-format", "json", "one"))
	waitUp(t, c, 0)
	status := l.account.run(tunneld, l.words(l.account.binary(), "status"))
	if code := status.waitExit(t, patience); code != 0 || !strings.Contains(status.text(), "one · up") {
		t.Errorf("exit code %d, said %s", code, status.text())
	}
}

// Others may listen on a name in /tmp before us, or give us a directory that is theirs.
func TestRuntimeDirectoryOfAnotherUserIsNotUsed(t *testing.T) {
	needRoot(t, "a directory that belongs to somebody else")
	need(t, "setpriv")
	const uid = 64321
	dir := filepath.Join("/tmp", fmt.Sprint("tunneld-", uid))
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, _, _ := two(t)
	open, err := os.MkdirTemp("", "tunneld-test-") // where the other user may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	os.Chmod(open, 0o755)
	as := []string{"setpriv", "--reuid", fmt.Sprint(uid), "--regid", fmt.Sprint(uid), "--clear-groups", "env", "-u", "TUNNELD_RUNTIME_DIR"}
	binary := filepath.Join(open, "tunneld")
	copyFile(t, l.account.binary(), binary, 0o755)
	start := func() *child {
		return l.account.run(tunneld, append(as, binary, "up", "nobody@127.0.0.1", "-F", "none", "-p", strconv.Itoa(freePort(t)),
			"-D", loopback(freePort(t)), "--log-format", "json"))
	}
	waiting := func(c *child) {
		c.waitLine(t, 0, patience, "an attempt", said("connecting failed"))
		c.signal(syscall.SIGTERM)
		c.waitExit(t, patience)
	}
	c := start()
	waiting(c)
	if len(c.matching(said("no control socket: status, reconnect and down will not find this process"))) == 0 {
		t.Error("a directory of root was used")
	}
	os.Remove(dir)
	c = start()
	eventually(t, patience, "a socket in a directory of our own", func() bool {
		list, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
		return len(list) == 1
	})
	waiting(c)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v; want mode 700", info, err)
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
	writeFile(t, path, fmt.Sprintln(os.Getpid()))
	l.account.expect(2, "lives", "up", "-F", config, "two", "--pidfile", path)
	if text, _ := os.ReadFile(path); strings.TrimSpace(string(text)) != strconv.Itoa(os.Getpid()) {
		t.Errorf("the file of a living process was changed to %q", text)
	}
}

// The control socket is plain HTTP: any client will do.
func TestControlSocketSpeaksHTTP(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.up(1, "one")
	socket := filepath.Join(l.account.path("run"), "one.sock")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	response, err := client.Get("http://tunneld/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var report struct{ PID int }
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil || report.PID != c.pid() {
		t.Errorf("it is said to be process %d, %v; want %d", report.PID, err, c.pid())
	}
	if response, err := client.Post("http://tunneld/down?tunnel=nobody", "", nil); err != nil || response.StatusCode != 404 {
		t.Errorf("POST /down of an unknown tunnel: %v, %v; want 404", response, err)
	}
	if response, err := client.Post("http://tunneld/down", "", nil); err != nil || response.StatusCode != 200 {
		t.Errorf("POST /down: %v, %v; want 200", response, err)
	}
	if code := c.waitExit(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// What ssh -v tells of a connection, tunneld tells at the level debug.
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
