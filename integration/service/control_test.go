package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tunneld/tunneld/integration/lab"
)

// two returns an account with the aliases one and two, each with an echo server behind a local forward, and their routes.
func two(t *testing.T) (l *lab.Lab, one, other lab.Route) {
	t.Helper()
	l = lab.New(t)
	l.Account.Forget()
	target := lab.StartTarget(t, lab.Echo).Address()
	one, other = lab.LocalRoute(t, target), lab.LocalRoute(t, target)
	l.Account.Host("one", l.Relay.Port, "LocalForward "+one.Address+" "+target)
	l.Account.Host("two", l.Relay.Port, "LocalForward "+other.Address+" "+target)
	return l, one, other
}

// targetOf returns the target in the flags of a local route.
func TestControlSocketIsPrivateAndNeverTaken(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	c := l.Up(2, "two", "one")
	path := filepath.Join(l.Account.Path("run"), "two.sock") // the first that was typed
	for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
	config := l.Account.Path("config")
	for _, words := range [][]string{{"two"}, {"one"}, {"-D", lab.Loopback(lab.FreePort(t)), "--name", "one", "two"}} {
		l.Account.Expect(2, fmt.Sprintf("already running as process %d\ntunneld: hint: ", c.Pid()), append([]string{"up", "-F", config}, words...)...)
	}
	l.Account.Expect(0, "(?m)^two · up", "status")

	frozen := lab.StopTree(c.Pid())
	lab.Eventually(t, lab.Patience, "it does not answer", func() bool { // a thread may get to finish what it does
		text, _ := l.Account.Ask("status")
		return strings.Contains(text, "does not answer")
	})
	l.Account.Expect(2, "two: already running\n", "up", "-F", config, "two")
	frozen.Signal(syscall.SIGCONT)
	l.Account.Expect(0, "(?m)^two · up", "status")
	c.Signal(syscall.SIGTERM)
	c.WaitExit(t, lab.Patience)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there after the end: %v", err)
	}
}

func TestControlSocketOfADeadDaemonIsReplaced(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.Up(1, "one")
	c.Signal(syscall.SIGKILL)
	c.WaitExit(t, lab.Patience)
	l.Account.Expect(0, "no tunnel is running", "status")
	l.Up(1, "one")
	lab.Check(t, one.Works(lab.Patience))
	l.Account.Expect(0, "(?m)^one · up", "status")
}

// The directory of a session goes with the last session of its user, and what is in the background goes on: it is found again, and
// its end is told.
func TestControlSocketIsMadeAgain(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	pid, _ := upInBackground(t, l, "one")
	open := one.Connect(t)
	lab.Check(t, lab.Exchange(open, "before", lab.Patience))
	os.RemoveAll(l.Account.Path("run"))
	lab.Eventually(t, lab.Patience, "it is found again", func() bool { return slices.Equal(l.Account.Names(), []string{"one"}) })
	lab.Check(t, lab.Exchange(open, "after", lab.Patience))
	syscall.Kill(pid, syscall.SIGKILL)
	lab.Eventually(t, lab.Patience, "it has ended", func() bool { return gone(pid) })
	l.Account.Expect(1, "it left no word: it was killed", "log", "one")
}

func TestControlSocketWithALongPath(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	dir := filepath.Join(l.Account.Dir, strings.Repeat("long", 40))
	l.Prefix = []string{"env", "TUNNELD_RUNTIME_DIR=" + dir}
	c := l.Account.Run(lab.Tunneld, l.Words(l.Account.Binary(), "up", "-F", l.Account.Path("config"), "--log-format", "json", "one"))
	lab.WaitUp(t, c, 0)
	status := l.Account.Run(lab.Tunneld, l.Words(l.Account.Binary(), "status"))
	if code := status.WaitExit(t, lab.Patience); code != 0 || !strings.Contains(status.Text(), "one · up") {
		t.Errorf("exit code %d, said %s", code, status.Text())
	}
}

// Others may listen on a name in /tmp before us, or give us a directory that is theirs.
func TestRuntimeDirectoryOfAnotherUserIsNotUsed(t *testing.T) {
	lab.NeedRoot(t, "a directory that belongs to somebody else")
	lab.Need(t, "setpriv")
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
	copyFile(t, l.Account.Binary(), binary, 0o755)
	start := func() *lab.Child {
		return l.Account.Run(lab.Tunneld, append(as, binary, "up", "nobody@127.0.0.1", "-F", "none", "-p", strconv.Itoa(lab.FreePort(t)),
			"-D", lab.Loopback(lab.FreePort(t)), "--log-format", "json"))
	}
	waiting := func(c *lab.Child) {
		c.WaitLine(t, 0, lab.Patience, "an attempt", lab.Said("connecting failed"))
		c.Signal(syscall.SIGTERM)
		c.WaitExit(t, lab.Patience)
	}
	c := start()
	waiting(c)
	if len(c.Matching(lab.Said("no control socket: status, reconnect and down will not find this process"))) == 0 {
		t.Error("a directory of root was used")
	}
	os.Remove(dir)
	c = start()
	lab.Eventually(t, lab.Patience, "a socket in a directory of our own", func() bool {
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
	c := l.Up(1, "one")
	socket := filepath.Join(l.Account.Path("run"), "one.sock")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", socket)
	}}}
	response, err := client.Get("http://tunneld/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var report struct{ PID int }
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil || report.PID != c.Pid() {
		t.Errorf("it is said to be process %d, %v; want %d", report.PID, err, c.Pid())
	}
	if response, err := client.Post("http://tunneld/down?tunnel=nobody", "", nil); err != nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("POST /down of an unknown tunnel: %v, %v; want 404", response, err)
	}
	if response, err := client.Post("http://tunneld/down", "", nil); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("POST /down: %v, %v; want 200", response, err)
	}
	if code := c.WaitExit(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestOfThoseThatStartAtOnceOneRuns(t *testing.T) {
	t.Parallel()
	l, one, _ := two(t)
	c := l.Up(1, "one")
	c.Signal(syscall.SIGKILL) // leaves its socket behind for all of them to find
	c.WaitExit(t, lab.Patience)
	var all []*lab.Child
	for range 6 {
		all = append(all, l.Account.Tunneld("up", "one", "-F", l.Account.Path("config"), "--log-format", "json"))
	}
	lab.Eventually(t, 2*lab.Patience, "all but one have ended", func() bool {
		running := 0
		for _, c := range all {
			if c.Running() {
				running++
			} else if code := c.ExitCode(); code != 2 {
				t.Fatalf("one ended with %d, want 2", code)
			}
		}
		return running == 1
	})
	lab.Check(t, one.Works(lab.Patience))
	l.Account.Expect(0, "(?m)^one · up", "status")
}
