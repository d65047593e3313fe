package integration

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lab is what most tests need: an sshd, a relay in front of it, and an account whose alias "server" leads through the
// relay.
type lab struct {
	t       testing.TB
	server  *sshd
	relay   *relay
	account *account
}

// alias is the name in ssh_config of the lab's server.
const alias = "server"

// newLab starts a server and a relay, and writes the account's files. The lines are of ssh_config(5), for the alias.
func newLab(t testing.TB, lines ...string) *lab {
	t.Helper()
	server := startSSHD(t)
	l := &lab{t: t, server: server, relay: startRelay(t, server.address()), account: newAccount(t)}
	server.authorize(l.account.key)
	l.account.trust(l.relay.port, server.hostKey)
	l.options(lines...)
	return l
}

// options writes the alias anew with these lines of ssh_config(5).
func (l *lab) options(lines ...string) {
	l.t.Helper()
	l.account.forget()
	l.account.host(alias, l.relay.port, lines...)
}

// program is one that keeps forwards open.
type program string

// The programs under test: ours, and those it is measured against.
const (
	tunneld program = "tunneld"
	openSSH program = "ssh"
	autossh program = "autossh"
)

// start runs a program with the alias and these options of ssh(1).
func (l *lab) start(p program, flags ...string) *child {
	l.t.Helper()
	var cmd *exec.Cmd
	switch p {
	case tunneld:
		return l.tunneld(append([]string{"up", alias, "--log-format", "json", "--log-level", "debug"}, flags...)...)
	case openSSH:
		need(l.t, "ssh")
		cmd = exec.Command("ssh", append([]string{"-N", "-F", l.account.path("config"), "-o", "ExitOnForwardFailure=yes", alias}, flags...)...)
	case autossh:
		need(l.t, "ssh", "autossh")
		cmd = exec.Command("autossh", append([]string{"-M", "0", "-N", "-F", l.account.path("config"), "-o", "ExitOnForwardFailure=yes"}, append(flags, alias)...)...)
		cmd.Env = append(l.account.environment(), "AUTOSSH_GATETIME=0", "AUTOSSH_LOGFILE=/dev/stderr")
	}
	if cmd.Env == nil {
		cmd.Env = l.account.environment()
	}
	return startChild(l.t, string(p), cmd)
}

// tunneld runs the built binary with the account's configuration file.
func (l *lab) tunneld(words ...string) *child {
	l.t.Helper()
	return l.account.tunneld(append(words, "-F", l.account.path("config"))...)
}

// tunneld runs the built binary in the account's environment.
func (a *account) tunneld(words ...string) *child {
	a.t.Helper()
	if sources, _ := filepath.Glob("../cmd/tunneld/*.go"); len(sources) == 0 {
		a.t.Skip("cmd/tunneld is not written yet")
	}
	binary, err := tunneldBinary()
	if err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.Command(binary, words...)
	cmd.Env = a.environment()
	cmd.Dir = a.dir
	c := startChild(a.t, "tunneld", cmd)
	a.t.Cleanup(func() {
		c.kill()
		if strings.Contains(c.text(), "WARNING: DATA RACE") {
			a.t.Errorf("the race detector spoke:\n%s", c.output())
		}
	})
	return c
}

// open starts a program with the flags of all routes and waits until each carries.
func (l *lab) open(p program, routes []route, flags ...string) *child {
	l.t.Helper()
	for _, r := range routes {
		flags = append(flags, r.flags...)
	}
	c := l.start(p, flags...)
	l.waitCarrying(c, routes...)
	return c
}

// waitCarrying waits until a connection through each route is accepted.
func (l *lab) waitCarrying(c *child, routes ...route) {
	l.t.Helper()
	for _, r := range routes {
		var last error
		if !within(patience, func() bool {
			var conn net.Conn
			if conn, last = r.dial(); last == nil {
				conn.Close()
			}
			return last == nil || !c.running()
		}) || last != nil {
			l.t.Fatalf("%s does not carry %s: %v", c.name, r.name, last)
		}
	}
}

// route is a forward, and how a client uses it to reach its target.
type route struct {
	name  string
	flags []string // of ssh(1)
	dial  func() (net.Conn, error)
}

// routes gives a route of each kind to target, on ports of their own.
func routes(t testing.TB, target string) []route {
	return []route{localRoute(t, target), remoteRoute(t, target), dynamicRoute(t, target)}
}

func localRoute(t testing.TB, target string) route {
	return portRoute(t, "L", target)
}

func remoteRoute(t testing.TB, target string) route {
	return portRoute(t, "R", target)
}

func portRoute(t testing.TB, kind, target string) route {
	address := loopback(freePort(t))
	return route{
		name:  kind,
		flags: []string{"-" + kind, address + ":" + target},
		dial:  func() (net.Conn, error) { return dialTCP(address) },
	}
}

func dynamicRoute(t testing.TB, target string) route {
	address := loopback(freePort(t))
	return route{
		name:  "D",
		flags: []string{"-D", address},
		dial:  func() (net.Conn, error) { return dialSOCKS5(address, target) },
	}
}

// connect opens a connection through r.
func (r route) connect(t testing.TB) net.Conn {
	t.Helper()
	conn, err := r.dial()
	if err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// works opens a connection through r to an echo server and uses it.
func (r route) works(limit time.Duration) error {
	conn, err := r.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	return exchange(conn, "hello through "+r.name, limit)
}

// inState tells the log line of a tunnel's transition into one of these states.
func inState(states ...string) func(line) bool {
	return func(l line) bool { return slices.Contains(states, l.field("state")) }
}

// waitState waits for a transition after position from.
func waitState(t testing.TB, c *child, from int, limit time.Duration, states ...string) line {
	t.Helper()
	return c.waitLine(t, from, limit, fmt.Sprint("state ", states), inState(states...))
}

// lastState gives the state of the newest transition; empty before the first.
func lastState(c *child) string {
	all := c.matching(func(l line) bool { return l.field("state") != "" })
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].field("state")
}

// readToEnd reads until the connection ends and gives what ended it: nil for a clean end.
func readToEnd(c net.Conn, limit time.Duration) error {
	c.SetReadDeadline(time.Now().Add(limit))
	buffer := make([]byte, 32<<10)
	for {
		if _, err := c.Read(buffer); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
	}
}

// wasReset tells whether err is the peer's RST.
func wasReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }
