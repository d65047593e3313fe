package service

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tunneld/tunneld/integration/lab"
)

// aUser is somebody else, who has a directory to be in.
type aUser struct {
	number int
	dir    string
	binary string
	l      *lab.Lab
}

func newUser(t *testing.T, l *lab.Lab, number int) *aUser {
	t.Helper()
	lab.NeedRoot(t, "to be another user")
	lab.Need(t, "setpriv")
	dir, err := os.MkdirTemp("", "tunneld-test-") // where that user may go
	if err != nil {
		t.Fatal(err)
	}
	runtime := filepath.Join("/tmp", fmt.Sprint("tunneld-", number))
	os.RemoveAll(runtime)
	t.Cleanup(func() { os.RemoveAll(dir); os.RemoveAll(runtime) })
	lab.Check(t, os.Chmod(dir, 0o755))
	u := &aUser{number, dir, filepath.Join(dir, "tunneld"), l}
	copyFile(t, l.Account.Binary(), u.binary, 0o755)
	return u
}

// runs starts tunneld as the user, who finds sockets where users find them.
func (u *aUser) runs(words ...string) *lab.Child {
	number := strconv.Itoa(u.number)
	return u.l.Account.Run(lab.Tunneld, append([]string{"setpriv", "--reuid", number, "--regid", number, "--clear-groups",
		"env", "-u", "TUNNELD_RUNTIME_DIR", "-C", "/", "HOME=" + u.dir, u.binary}, words...))
}

// rootRuns starts tunneld as root, who finds sockets where root does.
func rootRuns(l *lab.Lab, words ...string) *lab.Child {
	return l.Account.Run(lab.Tunneld, append([]string{"env", "-u", "TUNNELD_RUNTIME_DIR", l.Account.Binary()}, words...))
}

func TestRootSeesTheTunnelsOfUsers(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	u := newUser(t, l, 64322)
	c := u.runs("up", "nobody@127.0.0.1", "-F", "none", "-p", strconv.Itoa(lab.FreePort(t)), "-D", lab.Loopback(lab.FreePort(t)), "--log-format", "json")
	c.WaitLine(t, 0, lab.Patience, "an attempt", lab.Said("connecting failed"))

	status := rootRuns(l, "status", "nobody@*")
	if code := status.WaitExit(t, lab.Patience); code != 0 || !strings.Contains(status.Text(), "nobody@127.0.0.1 (64322) · ") {
		t.Errorf("root's status: exit code %d\n%s", code, status.Text())
	}
	var report struct {
		Tunnels []struct{ Name, Owner string }
	}
	status = rootRuns(l, "status", "--json")
	status.WaitExit(t, lab.Patience)
	if err := json.Unmarshal([]byte(status.Text()), &report); err != nil {
		t.Fatalf("%v in %s", err, status.Text())
	}
	seen := false
	for _, s := range report.Tunnels {
		seen = seen || s.Name == "nobody@127.0.0.1" && s.Owner == "64322"
	}
	if !seen {
		t.Errorf("root's status --json: %s", status.Text())
	}
	for _, verb := range []string{"down", "reconnect", "reload", "log"} { // which could hit somebody else's of that name
		steered := rootRuns(l, verb, "nobody@127.0.0.1")
		if code := steered.WaitExit(t, lab.Patience); code != 1 ||
			!strings.Contains(steered.Text(), "nobody@127.0.0.1: runs as user 64322\ntunneld: hint: `sudo -u 64322 tunneld ...` steers it\n") {
			t.Errorf("%s: exit code %d\n%s", verb, code, steered.Text())
		}
	}
	list := rootRuns(l, "list", "-F", "none")
	if code := list.WaitExit(t, lab.Patience); code != 0 || !regexp.MustCompile(`(?m)^nobody@127\.0\.0\.1 \(64322\) +open +down .* -D `).MatchString(list.Text()) {
		t.Errorf("root's list: exit code %d\n%s", code, list.Text())
	}
	own := u.runs("status")
	if code := own.WaitExit(t, lab.Patience); code != 0 || strings.Contains(own.Text(), "(64322)") || !strings.Contains(own.Text(), "nobody@127.0.0.1 · ") {
		t.Errorf("the user's own status: exit code %d\n%s", code, own.Text())
	}
	if !c.Running() {
		t.Error("it has ended")
	}
}

// A user who has no tunnels is told so, and not of directories that are others'.
func TestUserWithoutTunnels(t *testing.T) {
	t.Parallel()
	l, _, _ := two(t)
	u := newUser(t, l, 64323)
	const service = "/run/tunneld"
	if err := os.Mkdir(service, 0o700); err == nil {
		t.Cleanup(func() { os.Remove(service) })
	}
	for _, c := range []struct {
		words []string
		code  int
		says  string
	}{
		{[]string{"status"}, 0, "tunneld: no tunnel is running\ntunneld: hint: start one: `tunneld up ALIAS`\n"},
		{[]string{"status", "--json"}, 0, `"tunnels": []`},
		{[]string{"status", "web"}, 1, "tunneld: web: no tunnel is running\ntunneld: hint: a service's tunnels are shown to root: `sudo tunneld status`\n"},
		{[]string{"health"}, 1, "tunneld: no tunnel is running\n"},
		{[]string{"down", "*"}, 1, "no tunnel is running\n"},
		{[]string{"list"}, 0, ""},
	} {
		child := u.runs(c.words...)
		code := child.WaitExit(t, lab.Patience)
		if code != c.code || !strings.Contains(child.Text(), c.says) || strings.Contains(child.Text(), "permission denied") || strings.Contains(child.Text(), "tunnels of others") {
			t.Errorf("%q: exit code %d\n%s", c.words, code, child.Text())
		}
	}
}
