package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

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

// targetOf gives the target in the flags of a local route.
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
// USR1 replaces the connection of every tunnel, HUP re-reads the configuration of all.

func TestOfThoseThatStartAtOnceOneRuns(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.up(1, "one")
	c.signal(syscall.SIGKILL) // leaves its socket behind for all of them to find
	c.waitExit(t, patience)
	var all []*child
	for range 6 {
		all = append(all, l.account.tunneld("up", "one", "-F", l.account.path("config"), "--log-format", "json"))
	}
	eventually(t, 2*patience, "all but one have ended", func() bool {
		running := 0
		for _, c := range all {
			if c.running() {
				running++
			} else if code := c.exitCode(); code != 2 {
				t.Fatalf("one ended with %d, want 2", code)
			}
		}
		return running == 1
	})
	check(t, one.works(patience))
	l.account.expect(0, "(?m)^one · up", "status")
}
